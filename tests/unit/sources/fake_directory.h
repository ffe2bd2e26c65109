#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <semaphore>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sources/directory_pool.h"

namespace headgate::sources::test {

// A server that directories ask, and what it says. All of it is for any thread.
class FakeServer {
 public:
  enum class Says { kYes, kUnknown, kNoUse, kFailed, kNothing };

  // Those who wait for what it says find out, too.
  void say(Says says) {
    const std::lock_guard lock(mutex_);
    says_ = says;
    changed_.notify_all();
  }
  // Whatever it says about others.
  void say_nothing_about(std::string user) {
    const std::lock_guard lock(mutex_);
    silent_about_ = std::move(user);
  }
  // From here on each password takes a may_hash.release().
  void hold_hashing() {
    while (may_hash.try_acquire()) {
    }
  }
  // Called when the server is asked, before it answers.
  void on_asked(std::function<void()> hook) {
    const std::lock_guard lock(mutex_);
    hook_ = std::move(hook);
  }
  [[nodiscard]] std::vector<std::string> asked_for() const {
    const std::lock_guard lock(mutex_);
    return asked_for_;
  }
  [[nodiscard]] std::size_t asked() const { return asked_for().size(); }
  // Until a question is there that it says nothing to; once for each.
  void wait_until_silent() { silent_.acquire(); }

  [[nodiscard]] std::unique_ptr<DirectoryPool> pool(const std::string& name,
                                                    std::size_t connections = 1,
                                                    std::size_t max_queue = 100) {
    std::vector<std::unique_ptr<Directory>> directories;
    for (std::size_t i = 0; i < connections; ++i) {
      directories.push_back(std::make_unique<Seat>(*this));
    }
    return std::make_unique<DirectoryPool>(name, std::move(directories), max_queue);
  }

  std::atomic<int> interrupted{0};
  std::counting_semaphore<> may_hash{1000};

 private:
  class Seat final : public Directory {
   public:
    explicit Seat(FakeServer& server) : server_(server) {}

    auth::LookupResult look_up(const auth::LoginRequest& request, Asker& asker) override {
      auth::LookupResult result = explain(request.credentials.user, asker);
      if (std::holds_alternative<auth::Accepted>(result)) {
        asker.on_server_answer(true);
        server_.may_hash.acquire();
      }
      return result;
    }
    auth::LookupResult explain(std::string_view user, Asker& /*asker*/) override {
      std::unique_lock lock(server_.mutex_);
      woken_ = false;
      server_.asked_for_.emplace_back(user);
      if (const auto hook = server_.hook_) {
        lock.unlock();
        hook();
        lock.lock();
      }
      const auto says = [&] {
        return server_.silent_about_ == user ? Says::kNothing : server_.says_;
      };
      if (says() == Says::kNothing) {
        server_.silent_.release();
        server_.changed_.wait(lock, [&] { return woken_ || says() != Says::kNothing; });
      }
      switch (says()) {
        case Says::kYes:
          break;
        case Says::kUnknown:
          return auth::UnknownHere{};
        case Says::kNoUse:
          return auth::Rejected{dialogue::LoginFailure::kLookupUnavailable};
        case Says::kFailed:
          return auth::Unavailable{"refused"};
        case Says::kNothing:
          return auth::Unavailable{"interrupted"};
      }
      auth::Route route;
      route.user = user;
      return auth::Accepted{std::move(route)};
    }
    void interrupt() noexcept override {
      ++server_.interrupted;
      const std::lock_guard lock(server_.mutex_);
      woken_ = true;
      server_.changed_.notify_all();
    }

   private:
    FakeServer& server_;
    bool woken_ = false;  // guarded by the server's mutex
  };

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  Says says_ = Says::kYes;
  std::string silent_about_;
  std::function<void()> hook_;
  std::vector<std::string> asked_for_;
  std::counting_semaphore<> silent_{0};
};

}  // namespace headgate::sources::test
