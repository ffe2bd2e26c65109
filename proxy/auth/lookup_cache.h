#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "auth/bounded_map.h"
#include "auth/user_source.h"
#include "net/digest.h"

namespace headgate::auth {

struct CacheOptions {
  std::size_t entries = 100000;           // positive answers, and as many negative ones
  std::chrono::seconds ttl{300};          // how long a positive answer holds
  std::chrono::seconds negative_ttl{10};  // the same for "no such user" and "wrong password"
};

// What a source answered of late, for one user name, listener and mechanism each. Only the very
// same password gets the answer again: with another one the source is asked, whether the user
// exists or not, so the time of the reply tells nothing about that, and a new password is valid at
// once. Passwords are kept as hashes under a key that this process made up. One object for all
// workers, so that what one of them learns holds for all; each of its parts has a lock of its own,
// which is held for a few memory accesses.
class LookupCache {
 public:
  using Clock = std::chrono::steady_clock;

  explicit LookupCache(const CacheOptions& options);

  // A question and the hash of its password.
  class Question {
   private:
    friend class LookupCache;
    std::string name_;
    net::Key password_{};
    std::size_t shard_ = 0;
  };
  [[nodiscard]] Question question(const LoginRequest& request) const;

  // Accepted, Rejected or UnknownHere; nullopt: ask the source.
  [[nodiscard]] std::optional<LookupResult> find(const Question& question,
                                                 Clock::time_point now = Clock::now());
  // What the source answered. Unavailable, AskAgain and Known change nothing;
  // an answer that brings a password, or that a one-time code was needed for, is not kept, and ends
  // those that were; one about a code that was not good changes nothing.
  void learn(const Question& question, const LookupResult& result,
             Clock::time_point now = Clock::now());

  [[nodiscard]] std::size_t size() const { return size_.load(std::memory_order_relaxed); }

 private:
  static constexpr std::size_t kShards = 16;
  static constexpr std::size_t kLongestName = 1024;  // longer ones are not kept

  struct Answer {
    net::Key password;
    LookupResult result;
    Clock::time_point expires;
  };
  struct Shard {
    explicit Shard(std::size_t capacity) : positive(capacity), negative(capacity) {}
    std::mutex mutex;
    BoundedMap<Answer> positive;
    BoundedMap<Answer> negative;
  };

  const CacheOptions options_;
  const net::Key key_ = net::random_key();
  std::vector<std::unique_ptr<Shard>> shards_;
  std::atomic<std::size_t> size_{0};
};

}  // namespace headgate::auth
