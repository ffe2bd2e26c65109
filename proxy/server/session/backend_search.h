#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

#include "balance/policy.h"

namespace headgate::server {

// The backends one login may try, in order: every candidate of the policy with each of its
// addresses, beginning with the one that worked last, then all over again a few times, since a
// backend that restarts is back in a moment.
class BackendSearch {
 public:
  static constexpr unsigned kRounds = 3;

  struct Attempt {
    std::uint32_t backend = 0;  // index in the set
    Endpoint endpoint;
    bool new_round = false;  // everything was tried: wait a moment first
  };

  BackendSearch() = default;
  // These and no others.
  BackendSearch(std::shared_ptr<const balance::BackendSet> set, balance::Candidates candidates)
      : set_(std::move(set)), candidates_(std::move(candidates)) {}
  // `first`, and what the policy says once that has failed. Hardly any login needs more than the
  // first.
  BackendSearch(std::shared_ptr<const balance::BackendSet> set, std::uint32_t first,
                const balance::Request& request)
      : set_(std::move(set)), candidates_{.order = {first}}, request_(request) {}

  // Empty: nothing is left to try, or nothing could be tried from the start.
  std::optional<Attempt> next();
  // Another address of the backend that is being tried, which this round has not tried yet.
  std::optional<Endpoint> next_address();
  // In place of what next() has just given: this backend, unless this round has tried it already.
  // It need not be one of the candidates.
  std::optional<Attempt> instead(std::uint32_t backend);
  [[nodiscard]] const std::shared_ptr<const balance::BackendSet>& set() const { return set_; }
  [[nodiscard]] const balance::Backend& backend(std::uint32_t index) const {
    return set_->backends[index];
  }
  [[nodiscard]] std::uint32_t current() const { return current_; }

 private:
  void add_the_others();

  std::shared_ptr<const balance::BackendSet> set_;
  balance::Candidates candidates_;
  std::optional<balance::Request> request_;  // until the other candidates are known
  std::size_t candidate_ = 0;
  std::size_t address_ = 0;  // how many of its addresses were tried
  std::size_t first_ = 0;    // index of the first of them
  unsigned round_ = 0;
  std::uint32_t current_ = 0;
};

}  // namespace headgate::server
