#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "auth/user_source.h"
#include "base/secret.h"
#include "base/url.h"
#include "net/http_client.h"
#include "net/loop.h"
#include "net/timer_wheel.h"
#include "sources/auth_http_protocol.h"
#include "sources/lookup_server.h"
#include "sources/name_cache.h"

namespace headgate::sources {

struct AuthHttpOptions {
  struct Header {
    std::string name;
    Secret value;
  };
  // Which logins the servers can judge.
  struct Methods {
    bool plain = true;
    bool cram_md5 = false;
    bool external = false;
    bool token = false;  // xoauth2, oauthbearer
  };
  std::vector<Url> urls;  // at least one; asked in this order
  std::vector<Header> headers;
  std::chrono::milliseconds timeout{5000};     // for a look-up, all its requests together
  std::chrono::milliseconds hedge_after{300};  // until the next server is asked as well; 0: never
  bool keep_alive = true;
  bool spread = false;  // each look-up begins with another server
  bool verify = true;
  std::string ca;
  Methods methods;
  bool pass_client_cert = false;  // the whole of it, where a client has shown one
  // Backends that stand in a pool: their names are resolved there.
  std::vector<HostPort> known_backends;
};

// What the workers' sources share: the servers and how they fare.
struct AuthHttpServers {
  explicit AuthHttpServers(std::shared_ptr<const AuthHttpOptions> wanted);
  void resolve();  // blocks

  const std::shared_ptr<const AuthHttpOptions> options;
  std::vector<std::unique_ptr<LookupServer>> servers;
  std::atomic<std::size_t> turn{0};
};

// Unavailable: the protocol has no question without a password.
auth::LookupResult explain_auth_http();

// Asks servers that speak nginx's auth_http protocol about passwords, tokens, certificates and
// answers to a challenge of CRAM-MD5, as far as they can judge these. A server that does not answer
// soon is joined by the next one, and the first good answer counts; one that failed rests, and
// while it does only probes are sent there, beside the request that the login waits for.
class AuthHttpSource : public auth::UserSource {
 public:
  // All but `servers` must outlive it.
  AuthHttpSource(net::Loop& loop, net::TimerWheel& timers,
                 std::shared_ptr<AuthHttpServers> servers);
  ~AuthHttpSource() override;

  void look_up(const auth::LoginRequest& request, Callback done) override;
  [[nodiscard]] bool takes(const dialogue::Credentials& credentials) const override;
  [[nodiscard]] bool judges_rounds() const override { return true; }
  auth::LookupResult explain(std::string_view /*user*/) override { return explain_auth_http(); }
  [[nodiscard]] std::string_view name() const override { return "auth_http"; }

 private:
  class LookUp;
  void begin(const auth::LoginRequest& request, const CramProof* proof, Callback done);
  void erase(std::uint64_t id);

  net::Loop& loop_;
  net::TimerWheel& timers_;
  std::shared_ptr<AuthHttpServers> servers_;
  std::uint64_t last_id_ = 0;
  std::map<std::uint64_t, std::unique_ptr<LookUp>> look_ups_;
  NameCache names_;
  net::HttpClient client_;  // goes first: its callbacks know the look-ups
};

}  // namespace headgate::sources
