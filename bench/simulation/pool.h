#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <memory>

#include "balance/policy.h"
#include "balance/user_table.h"

// The pools that are simulated.
namespace headgate::bench {

// User n; as good as the hash of a name, which is a cost of its own.
inline std::uint64_t key_of(std::uint64_t n) {
  return balance::mix(n + 1);
}

inline balance::Backend make_backend(unsigned number, unsigned weight) {
  balance::Backend backend;
  backend.address = {fmt::format("mail{}.example.org", number), 993};
  backend.endpoints = {Endpoint{}};
  backend.weight = weight;
  backend.hash = balance::backend_key(backend.address);
  backend.state = std::make_shared<balance::BackendState>();
  return backend;
}

// Weights of three generations of machines.
inline balance::BackendSet make_set(unsigned backends, balance::Policy policy) {
  balance::BackendSet set;
  set.pool = "main";
  set.policy = policy;
  for (unsigned number = 0; number < backends; ++number) {
    set.backends.push_back(make_backend(number, 100 + 50 * (number % 3)));
  }
  balance::prepare(set);
  return set;
}

}  // namespace headgate::bench
