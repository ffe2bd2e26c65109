#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <regex>
#include <string>
#include <string_view>
#include <vector>

#include "balance/policy.h"
#include "base/address.h"
#include "config/config.h"

namespace headgate::server {

// Which backend of a pool: the pins of the configuration, then the pool's policy. Compiled once and
// immutable; the running server and `headgate explain` share it.
class Placement {
 public:
  // The configuration must outlive it, and must have been checked.
  explicit Placement(const config::Config& config);

  struct Choice {
    std::optional<std::uint32_t> backend;  // index in the set; none may take the user
    bool only = false;                     // no other one will do
    std::optional<std::size_t> pin;        // the pin that decided: index in config::Pool::pins
  };

  // An operator's pin decides, else the first pin of the pool that matches, else the policy; `user`
  // is the name for the backend.
  [[nodiscard]] Choice choose(std::size_t pool, const balance::BackendSet& set,
                              std::string_view user, const balance::Request& request) const;

  // What the policy of the pool is asked. Takes a turn of a pool with round_robin.
  [[nodiscard]] balance::Request request(std::size_t pool, const balance::BackendSet& set,
                                         std::string_view user, const IpAddress& client,
                                         std::uint64_t random, std::int64_t now_ms) const;

  // The key of a user of this pool in the user table: one mailbox is one user, however the name is
  // written.
  [[nodiscard]] std::uint64_t identity(std::size_t pool, std::string_view user) const;

  // Why, in words: "pools.main.pins[1]: domain example.org; …"; `choice` has a backend.
  [[nodiscard]] std::string explain(std::size_t pool, const balance::BackendSet& set,
                                    const balance::Request& request, const Choice& choice) const;

 private:
  struct Rule {
    std::uint64_t user = 0;  // key, when the pin is one user's
    std::string domain;      // lower case
    std::optional<std::regex> regex;
  };

  [[nodiscard]] std::optional<std::uint32_t> find_ordered(std::size_t pool,
                                                          const balance::BackendSet& set,
                                                          std::string_view user) const;
  [[nodiscard]] std::optional<std::size_t> find_pin(std::size_t pool, std::string_view user) const;

  const config::Config& config_;
  std::vector<std::vector<Rule>> rules_;  // as the pins of config.pools
};

// Whether the part of `user` behind the last '@' is `domain`, which is in lower case.
bool in_domain(std::string_view user, std::string_view domain);

}  // namespace headgate::server
