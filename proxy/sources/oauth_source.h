#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "auth/user_source.h"
#include "base/secret.h"
#include "base/url.h"
#include "net/http_client.h"
#include "net/loop.h"
#include "net/timer_wheel.h"
#include "proof/token_claims.h"
#include "proof/token_keys.h"
#include "sources/lookup_server.h"

namespace headgate::sources {

struct OauthOptions {
  proof::TokenRules rules;
  // Where the issuer's keys are; neither: no signature is checked, and the server is asked.
  std::string keys_file;
  std::optional<Url> keys_url;
  std::chrono::seconds keys_ttl{3600};
  // Whom to ask about each token (RFC 7662); not set: nobody.
  std::optional<Url> introspection_url;
  std::string client_id;  // empty: no Authorization
  Secret client_secret;
  std::chrono::milliseconds timeout{5000};  // for a server's answer
  std::string ca;                           // empty: the system's
};

// What the workers' sources share.
struct OauthServers {
  OauthServers(std::string source, std::shared_ptr<const OauthOptions> wanted);
  void resolve();  // blocks

  const std::string source;  // name in the log
  const std::shared_ptr<const OauthOptions> options;
  std::unique_ptr<LookupServer> keys;  // may be null, as may the next
  std::unique_ptr<LookupServer> introspection;
};

// The text of a key file; the error says what is wrong. Blocks.
std::expected<Secret, std::string> read_keys_file(const std::string& path);

// Checks bearer tokens (RFC 6750), which clients give by SASL XOAUTH2 and OAUTHBEARER: their
// signature with the issuer's keys, by asking the issuer, or both. Who comes with a password is
// unknown here.
class OauthSource : public auth::UserSource {
 public:
  // All but `servers` must outlive it; the loop must turn once more after it has gone.
  // `last`: no other source may know the user.
  OauthSource(net::Loop& loop, net::TimerWheel& timers, std::shared_ptr<OauthServers> servers,
              bool last);
  ~OauthSource() override;

  [[nodiscard]] bool takes(const dialogue::Credentials& credentials) const override {
    return credentials.by_token();
  }
  void look_up(const auth::LoginRequest& request, Callback done) override;
  auth::LookupResult explain(std::string_view user) override { return explain(user, last_); }
  // The token would say who it is: the user is taken for whom the token names.
  static auth::LookupResult explain(std::string_view user, bool last);
  [[nodiscard]] std::string_view name() const override { return "oauth"; }

 private:
  struct Question;
  struct Call;
  using Answer = std::expected<net::HttpReply, std::string>;
  using Asked = std::function<void(Answer)>;

  void check_signature(const std::shared_ptr<Question>& question);
  void on_verdict(const std::shared_ptr<Question>& question, const proof::JsonWebToken& token,
                  proof::TokenKeys::Verdict verdict);
  void introspect(const std::shared_ptr<Question>& question);
  void on_introspected(const std::shared_ptr<Question>& question, Answer answer);
  void fetch_keys(proof::TokenKeys::Fetched done);

  void ask(LookupServer& server, std::function<net::HttpRequest()> request, Asked done);
  void send(const std::shared_ptr<Call>& call);

  net::Loop& loop_;
  std::shared_ptr<OauthServers> servers_;
  const OauthOptions& options_;
  const bool last_;
  std::optional<proof::TokenKeys> keys_;
  std::shared_ptr<const bool> alive_ = std::make_shared<const bool>(true);
  net::HttpClient client_;  // goes first: its callbacks know the rest
};

}  // namespace headgate::sources
