#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "auth/exchange.h"
#include "proof/gsasl_server.h"
#include "proof/password_hash.h"
#include "proof/scram_server.h"

namespace headgate::auth {

// An exchange that is judged here by what a source has stored of the user's password. Held by an
// Exchange alone, and for a moment by its own methods, since a callback may end the exchange.
class StoredRounds : public std::enable_shared_from_this<StoredRounds> {
 public:
  static constexpr std::size_t kLongestMessage = 4096;

  StoredRounds(Exchanges& exchanges, std::string_view mechanism)
      : exchanges_(exchanges), mechanism_(mechanism) {}
  virtual ~StoredRounds() = default;
  StoredRounds(const StoredRounds&) = delete;
  StoredRounds& operator=(const StoredRounds&) = delete;

  // As in Exchange.
  void take(const Secret* message);
  void answer(const LoginRequest& request, Exchange::Callback done);
  [[nodiscard]] std::string_view user() const { return user_; }

 protected:
  // Learns from message() what it tells without asking anybody; may refuse() it.
  virtual void read() = 0;
  // Answers message(), which was not refused.
  virtual void reply(const LoginRequest& request, Exchange::Callback done) = 0;
  // Goes on once the sources have answered. `stored` is null where they know nobody, or nothing to
  // judge by.
  virtual void judge(std::shared_ptr<const proof::PasswordHash> stored,
                     Exchange::Callback done) = 0;

  // Null: the client has sent none.
  [[nodiscard]] const Secret* message() const { return message_ ? &*message_ : nullptr; }
  // Who the client says it is; refuses what does not fit Credentials, and those who want to act for
  // somebody else.
  void set_user(std::string_view user, std::string_view authorization);
  void refuse(dialogue::LoginFailure failure, std::string_view why);
  void ask(const LoginRequest& request, Exchange::Callback done);

  [[nodiscard]] ExchangeAnswer accepted();
  [[nodiscard]] ExchangeAnswer wrong(std::string detail = {}) const;

  Exchanges& exchanges_;
  const std::string mechanism_;

 private:
  void on_found(ChainResult found, Exchange::Callback done);

  std::optional<Secret> message_;
  std::string user_;
  std::optional<Rejected> refusal_;
  Chain::Ticket ticket_;
  Route route_;
  std::size_t source_ = 0;
};

// RFC 5802: SCRAM-SHA-256 and SCRAM-SHA-1, each also as -PLUS, tied to its TLS connection.
class ScramRounds final : public StoredRounds {
 public:
  ScramRounds(Exchanges& exchanges, std::string_view mechanism, net::ChannelBindings bindings);

 private:
  // What the client's next message is.
  enum class Stage : std::uint8_t { kFirst, kProof, kConfirmation };

  void read() override;
  void reply(const LoginRequest& request, Exchange::Callback done) override;
  void judge(std::shared_ptr<const proof::PasswordHash> stored, Exchange::Callback done) override;
  void derive(std::shared_ptr<const proof::PasswordHash> stored, Exchange::Callback done);
  void challenge(const proof::ScramKeys& keys, const Exchange::Callback& done);
  void check_proof(const Exchange::Callback& done);

  const net::Digest digest_;
  Stage stage_ = Stage::kFirst;
  proof::ScramServer server_;
  bool genuine_ = false;  // the keys are the user's, not made up
  std::string why_not_;   // for the log, where there is a user
};

// RFC 2195, with a password in the clear.
class CramRounds final : public StoredRounds {
 public:
  explicit CramRounds(Exchanges& exchanges)
      : StoredRounds(exchanges, "CRAM-MD5"), server_(mechanism_) {}

 private:
  void read() override;
  void reply(const LoginRequest& request, Exchange::Callback done) override;
  void judge(std::shared_ptr<const proof::PasswordHash> stored, Exchange::Callback done) override;

  proof::GsaslServer server_;
  bool challenged_ = false;
};

}  // namespace headgate::auth
