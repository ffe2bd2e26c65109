#include <fmt/format.h>

#include <utility>

#include "auth/stored_rounds.h"

namespace headgate::auth {

using dialogue::LoginFailure;

ScramRounds::ScramRounds(Exchanges& exchanges, std::string_view mechanism,
                         net::ChannelBindings bindings)
    : StoredRounds(exchanges, mechanism),
      digest_(mechanism.starts_with("SCRAM-SHA-1") ? net::Digest::kSha1 : net::Digest::kSha256),
      server_(digest_, mechanism.ends_with("-PLUS"), std::move(bindings)) {}

void ScramRounds::read() {
  if (stage_ != Stage::kFirst) {
    return;
  }
  if (const auto first = server_.read_first(message()->view())) {
    set_user(server_.user(), server_.authorization());
  } else {
    refuse(LoginFailure::kWrongCredentials,
           first.error() == proof::ScramServer::Failure::kBinding
               ? "the channel binding is not the one that is offered"
               : "the message is not understood");
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

void ScramRounds::judge(std::shared_ptr<const proof::PasswordHash> stored,
                        Exchange::Callback done) {
  const proof::ScramKeys* keys = stored ? stored->scram() : nullptr;
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
void ScramRounds::derive(std::shared_ptr<const proof::PasswordHash> stored,
                         Exchange::Callback done) {
  const std::shared_ptr<std::size_t> hashing = exchanges_.hashing_;
  if (*hashing >= Exchanges::kMostHashing) {
    done(ChainResult{Unavailable{"too many SCRAM keys are waiting to be made"}});
    return;
  }
  ++*hashing;
  struct Task {
    std::shared_ptr<const proof::PasswordHash> stored;
    Secret salt;
    proof::ScramKeys keys;
  };
  auto task = std::make_shared<Task>(
      Task{.stored = std::move(stored),
           .salt = exchanges_.decoys_->salt(digest_, user(), proof::ScramDecoys::kSalt),
           .keys = {}});
  net::run_blocking(
      exchanges_.loop_,
      [task, digest = digest_] {
        task->keys =
            proof::ScramKeys::derive(digest, task->stored ? *task->stored->clear() : task->salt,
                                     task->salt.view(), proof::ScramKeys::kFewestIterations);
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

void ScramRounds::challenge(const proof::ScramKeys& keys, const Exchange::Callback& done) {
  stage_ = Stage::kProof;
  done(Challenge{server_.challenge(keys)});
}

void ScramRounds::check_proof(const Exchange::Callback& done) {
  auto shown = server_.read_final(message()->view());
  if (!shown && shown.error() == proof::ScramServer::Failure::kBinding) {
    done(wrong("the channel binding is not that of this connection"));
  } else if (!shown || !genuine_) {
    done(wrong(why_not_));
  } else {
    stage_ = Stage::kConfirmation;
    done(Challenge{*std::move(shown)});
  }
}

}  // namespace headgate::auth
