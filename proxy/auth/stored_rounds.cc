#include "auth/stored_rounds.h"

#include <fmt/format.h>

#include <utility>

#include "base/one_line.h"
#include "base/utf8.h"

namespace headgate::auth {

using dialogue::LoginFailure;

void StoredRounds::take(const Secret* message) {
  message_.reset();
  if (message == nullptr) {
    return;
  }
  if (message->size() > kLongestMessage) {
    refuse(LoginFailure::kWrongCredentials, "the message is too long");
    return;
  }
  message_ = message->clone();
  read();
}

void StoredRounds::answer(const LoginRequest& request, Exchange::Callback done) {
  if (refusal_) {
    done(ChainResult{*refusal_, source_});
    return;
  }
  reply(request, std::move(done));
}

void StoredRounds::set_user(std::string_view user, std::string_view authorization) {
  if (user.empty() || !is_one_line(user) || !is_utf8(user)) {
    refuse(LoginFailure::kWrongCredentials, "the message is not understood");
    return;
  }
  user_ = user;
  if (!authorization.empty() && authorization != user) {
    refuse(LoginFailure::kAuthorizationRefused, "");
  }
}

void StoredRounds::refuse(LoginFailure failure, std::string_view why) {
  refusal_ = Rejected{.failure = failure,
                      .detail = why.empty() ? "" : fmt::format("{}: {}", mechanism_, why)};
}

void StoredRounds::ask(const LoginRequest& request, Exchange::Callback done) {
  ticket_ = exchanges_.chain_.look_up(
      request, [rounds = weak_from_this(), done = std::move(done)](ChainResult found) {
        if (const auto still = rounds.lock()) {
          still->on_found(std::move(found), done);
        }
      });
}

// Whoever is not Known goes through the rounds as well, as somebody whose proof is wrong. An
// Accepted would be from a source that let somebody in without a proof.
void StoredRounds::on_found(ChainResult found, Exchange::Callback done) {
  source_ = found.source;
  const auto* rejected = std::get_if<Rejected>(&found.result);
  if (auto* known = std::get_if<Known>(&found.result)) {
    route_ = std::move(known->route);
    judge(std::move(known->stored), std::move(done));
  } else if (std::holds_alternative<Unavailable>(found.result) ||
             std::holds_alternative<AskAgain>(found.result) ||
             (rejected != nullptr && rejected->failure == LoginFailure::kLookupUnavailable)) {
    done(std::move(found));
  } else {
    judge(nullptr, std::move(done));
  }
}

ExchangeAnswer StoredRounds::accepted() {
  return ChainResult{Accepted{std::move(route_)}, source_};
}

ExchangeAnswer StoredRounds::wrong(std::string detail) const {
  return ChainResult{
      Rejected{.failure = LoginFailure::kWrongCredentials, .detail = std::move(detail)}, source_};
}

void CramRounds::read() {
  if (!challenged_) {
    refuse(LoginFailure::kWrongCredentials, "the client spoke first");
    return;
  }
  // Who it is stands in the message; the proof waits for the password.
  const auto reply = server_.step(message()->view());
  if (reply || reply.error() != proof::GsaslServer::Failure::kNoSecret) {
    refuse(LoginFailure::kWrongCredentials, "the message is not understood");
    return;
  }
  set_user(server_.user(), "");
}

void CramRounds::reply(const LoginRequest& request, Exchange::Callback done) {
  if (message() != nullptr) {
    ask(request, std::move(done));
    return;
  }
  const auto first = server_.step("");
  if (!first) {
    done(ChainResult{Unavailable{"gsasl has no CRAM-MD5"}});
    return;
  }
  challenged_ = true;
  done(Challenge{std::string(first->bytes.view())});
}

void CramRounds::judge(std::shared_ptr<const proof::PasswordHash> stored, Exchange::Callback done) {
  const Secret* password = stored ? stored->clear() : nullptr;
  // Somebody without a password costs the same.
  const Secret nobody = exchanges_.decoys_->salt(net::Digest::kSha256, user(), 16);
  server_.set_password(password != nullptr ? *password : nobody);
  const auto reply = server_.step(message()->view());
  if (reply && reply->done && password != nullptr) {
    done(accepted());
  } else {
    done(wrong(stored && password == nullptr ? "the password is not stored in the clear" : ""));
  }
}

}  // namespace headgate::auth
