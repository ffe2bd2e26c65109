#include "proof/password_counts.h"

#include <cstring>

#include "net/digest.h"

namespace headgate::proof {
namespace {

// Beyond it all numbers are halved, so that those of late count most.
constexpr std::uint32_t kMostSeen = 1U << 20;

// From 0 to `end` - 1, and nobody outside can tell which.
std::uint32_t number_for(std::string_view user, std::uint32_t end) {
  static const net::Key key = net::random_key();
  const net::Key hash = net::keyed_hash(key, {user});
  std::uint32_t number = 0;
  std::memcpy(&number, hash.data(), sizeof number);
  // Not the remainder: the number must hardly move when `end` grows.
  return static_cast<std::uint32_t>((std::uint64_t{number} * end) >> 32);
}

}  // namespace

void PasswordCounts::note(std::size_t passwords) {
  ++seen_[passwords - 1];
  if (++total_ < kMostSeen) {
    return;
  }
  total_ = 0;
  for (std::uint32_t& count : seen_) {
    count /= 2;
    total_ += count;
  }
}

std::size_t PasswordCounts::draw(std::string_view user) const {
  if (total_ == 0) {
    return 1;
  }
  std::uint32_t left = number_for(user, total_);
  std::size_t passwords = 1;
  while (left >= seen_[passwords - 1]) {
    left -= seen_[passwords - 1];
    ++passwords;
  }
  return passwords;
}

}  // namespace headgate::proof
