#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace headgate::bench {

// The mail that backend and load generator both know without telling each other: a pattern without
// period below 1 MiB, repeated for ever. Each user's mail begins at another place of it, so that
// bytes that went to the wrong session are found as surely as bytes lost, doubled or changed.
class Message {
 public:
  // Begins where the digits in `user` say; a name without digits begins at 0.
  explicit Message(std::string_view user = {});

  // The bytes from `offset` on, at least one and at most `limit`, as far as they lie together.
  [[nodiscard]] std::string_view at(std::uint64_t offset, std::size_t limit) const;
  // Whether `bytes` are those at `offset`.
  [[nodiscard]] bool matches(std::uint64_t offset, std::string_view bytes) const;

 private:
  std::size_t start_ = 0;
};

}  // namespace headgate::bench
