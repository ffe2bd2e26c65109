#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace headgate::proof {

// Passwords that one user may have, his own and those of applications: each costs a hash when
// somebody tries to log in.
inline constexpr std::size_t kMostPasswords = 16;

// How many passwords users have. A user who is not there then costs as many hashes as some user who
// is: a name draws its number from those seen, and the same name draws alike each time. So the time
// of a refusal tells how many passwords a name might have, but not whether there is such a user.
class PasswordCounts {
 public:
  // Of a user who is there; from 1 to kMostPasswords.
  void note(std::size_t passwords);
  // 1 before the first note().
  [[nodiscard]] std::size_t draw(std::string_view user) const;

 private:
  std::array<std::uint32_t, kMostPasswords> seen_{};  // by number less one
  std::uint32_t total_ = 0;
};

}  // namespace headgate::proof
