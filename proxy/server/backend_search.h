#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

#include "balance/backend_set.h"

namespace headgate::server {

// The backends one login may try, in order: every candidate of the policy with each of its
// addresses, then all over again a few times, since a backend that restarts is back in a moment.
class BackendSearch {
 public:
  static constexpr unsigned kRounds = 3;

  struct Attempt {
    std::uint32_t backend = 0;  // index in the set
    Endpoint endpoint;
    bool new_round = false;  // everything was tried: wait a moment first
  };

  BackendSearch() = default;
  BackendSearch(std::shared_ptr<const balance::BackendSet> set, balance::Candidates candidates)
      : set_(std::move(set)), candidates_(std::move(candidates)) {}

  // Empty: nothing is left to try, or nothing could be tried from the start.
  std::optional<Attempt> next();
  [[nodiscard]] const std::shared_ptr<const balance::BackendSet>& set() const { return set_; }
  [[nodiscard]] const balance::Backend& backend(std::uint32_t index) const {
    return set_->backends[index];
  }
  [[nodiscard]] std::uint32_t current() const { return current_; }

 private:
  std::shared_ptr<const balance::BackendSet> set_;
  balance::Candidates candidates_;
  std::size_t candidate_ = 0;
  std::size_t address_ = 0;
  unsigned round_ = 0;
  std::uint32_t current_ = 0;
};

}  // namespace headgate::server
