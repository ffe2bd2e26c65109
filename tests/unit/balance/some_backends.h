#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "balance/policy.h"

namespace headgate::balance {

// Half the work of these tests is counting users; an instrumented build looks for other things than
// shares and needs fewer of them.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool kInstrumented = true;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
inline constexpr bool kInstrumented = true;
#else
inline constexpr bool kInstrumented = false;
#endif
#else
inline constexpr bool kInstrumented = false;
#endif
inline constexpr std::size_t kUsers = kInstrumented ? 50'000 : 1'000'000;

inline Backend make_backend(unsigned number, unsigned weight = 100) {
  Backend backend;
  backend.address = {fmt::format("mail{}.example.org", number), 993};
  backend.endpoints = {Endpoint{}};
  backend.weight = weight;
  backend.hash = backend_key(backend.address);
  backend.state = std::make_shared<BackendState>();
  return backend;
}

inline BackendSet make_set(unsigned count, Policy policy = Policy::kUserHash) {
  BackendSet set;
  set.pool = "main";
  set.policy = policy;
  for (unsigned number = 1; number <= count; ++number) {
    set.backends.push_back(make_backend(number));
  }
  prepare(set);
  return set;
}

inline const std::vector<std::uint64_t>& all_users() {
  static const auto users = [] {
    std::vector<std::uint64_t> keys;
    for (std::size_t user = 0; user < kUsers; ++user) {
      keys.push_back(user_key(fmt::format("user{}@example.org", user)));
    }
    return keys;
  }();
  return users;
}

}  // namespace headgate::balance
