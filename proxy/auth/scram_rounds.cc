#include <fmt/format.h>

#include <utility>

#include "auth/stored_rounds.h"

namespace headgate::auth {

using dialogue::LoginFailure;

ScramRounds::ScramRounds(Exchanges& exchanges, std::string_view mechanism, std::string_view binding)
    : StoredRounds(exchanges, mechanism),
      digest_(mechanism.starts_with("SCRAM-SHA-1") ? net::Digest::kSha1 : net::Digest::kSha256),
      binding_(binding),
      server_(mechanism) {
  if (!binding_.empty()) {
    server_.set_binding(binding_);
  }
}

// gsasl gives the first message's answer in the same step as it reads who it is from. So another
// one reads it first, without any keys: nothing waits for a source inside gsasl.
void ScramRounds::read() {
  if (stage_ != Stage::kFirst) {
    return;
  }
  const std::string_view first = message()->view();
  GsaslServer reader(mechanism_);
  if (!binding_.empty()) {
    reader.set_binding(binding_);
  }
  // Flag 'p': the client ties the exchange to its TLS connection, which it may only with -PLUS;
  // gsasl would find out a round later.
  const bool ties_wrongly = first.starts_with('p') && !is_plus();
  const auto reply = reader.step(first);
  if (ties_wrongly || (!reply && reply.error() == GsaslServer::Failure::kWrong)) {
    refuse(LoginFailure::kWrongCredentials, "the channel binding is not the one that is offered");
  } else if (!reply) {
    refuse(LoginFailure::kWrongCredentials, "the message is not understood");
  } else {
    set_user(reader.user(), reader.authorization());
  }
}

void ScramRounds::reply(const LoginRequest& request, Exchange::Callback done) {
  if (message() == nullptr) {
    done(Challenge{});
    return;
  }
  switch (stage_) {
    case Stage::kFirst:
      ask(request, std::move(done));
      return;
    case Stage::kProof:
      check_proof(done);
      return;
    case Stage::kConfirmation:
      // The client has seen that the server knows the password, too, and has nothing to say.
      done(message()->empty() ? accepted() : wrong("the last message is not empty"));
      return;
  }
}

void ScramRounds::judge(std::shared_ptr<const PasswordHash> stored, Exchange::Callback done) {
  const ScramKeys* keys = stored ? stored->scram() : nullptr;
  if (keys != nullptr && keys->digest == digest_) {
    genuine_ = true;
    exchanges_.decoys_->note(digest_, {keys->iterations, keys->salt.size(), false});
    challenge(*keys, done);
  } else if (stored && stored->clear() != nullptr) {
    genuine_ = true;
    exchanges_.decoys_->note(digest_, {.clear = true});
    derive(std::move(stored), std::move(done));
  } else {
    why_not_ = stored ? fmt::format("nothing is stored that {} could use", mechanism_) : "";
    if (exchanges_.decoys_->typical(digest_).clear) {
      derive(nullptr, std::move(done));
    } else {
      challenge(exchanges_.decoys_->keys(digest_, user()), done);
    }
  }
}

// Keys of a password in the clear; without one as much work for nothing.
void ScramRounds::derive(std::shared_ptr<const PasswordHash> stored, Exchange::Callback done) {
  const std::shared_ptr<std::size_t> hashing = exchanges_.hashing_;
  if (*hashing >= Exchanges::kMostHashing) {
    done(ChainResult{Unavailable{"too many SCRAM keys are waiting to be made"}});
    return;
  }
  ++*hashing;
  struct Task {
    std::shared_ptr<const PasswordHash> stored;
    Secret salt;
    ScramKeys keys;
  };
  auto task = std::make_shared<Task>(
      Task{.stored = std::move(stored),
           .salt = exchanges_.decoys_->salt(digest_, user(), ScramDecoys::kSalt),
           .keys = {}});
  net::run_blocking(
      exchanges_.loop_,
      [task, digest = digest_] {
        task->keys = ScramKeys::derive(digest, task->stored ? *task->stored->clear() : task->salt,
                                       task->salt.view(), ScramKeys::kFewestIterations);
      },
      [rounds = weak_from_this(), task, hashing, done = std::move(done)] {
        --*hashing;
        if (const auto still = rounds.lock()) {
          auto& self = static_cast<ScramRounds&>(*still);
          if (!self.genuine_) {
            task->keys = self.exchanges_.decoys_->keys(self.digest_, self.user());
          }
          self.challenge(task->keys, done);
        }
      });
}

void ScramRounds::challenge(const ScramKeys& keys, const Exchange::Callback& done) {
  server_.set_keys(keys);
  const auto reply = server_.step(message()->view());
  if (!reply) {
    done(ChainResult{Unavailable{"gsasl cannot go on with " + mechanism_}});
    return;
  }
  stage_ = Stage::kProof;
  done(Challenge{std::string(reply->bytes.view())});
}

void ScramRounds::check_proof(const Exchange::Callback& done) {
  const auto reply = server_.step(message()->view());
  if (!reply || !reply->done || !genuine_) {
    done(wrong(why_not_));
    return;
  }
  stage_ = Stage::kConfirmation;
  done(Challenge{std::string(reply->bytes.view())});
}

}  // namespace headgate::auth
