#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <expected>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/secret.h"
#include "metrics/labels.h"
#include "net/digest.h"

namespace headgate::proof {

inline constexpr std::size_t kCodeDigits = 6;

// The secret of a user's authenticator app, which makes a code every 30 seconds: RFC 6238 with
// SHA-1 and six digits, as all of these apps have it.
class TotpSecret {
 public:
  static constexpr std::size_t kLeastBytes = 10;  // what Google's authenticator began with
  static constexpr std::size_t kMostBytes = 128;

  // Base32 as in otpauth:// URIs; spaces, lower case and missing padding are taken. The error says
  // what was expected and never repeats the secret.
  static std::expected<TotpSecret, std::string> parse(std::string_view base32);

  // Which step of 30 seconds the code is of: the one of this time, the one before or the one
  // after (RFC 6238 section 5.2). Takes the same time for every code of six digits.
  [[nodiscard]] std::optional<std::uint64_t> step_of(std::string_view code,
                                                     std::chrono::seconds unix_time) const;

  [[nodiscard]] std::string_view view() const { return bytes_.view(); }
  [[nodiscard]] TotpSecret clone() const { return TotpSecret(bytes_.clone()); }

 private:
  explicit TotpSecret(Secret bytes) : bytes_(std::move(bytes)) {}

  Secret bytes_;
};

// Sees to it that a code is good once (RFC 6238 section 5.2): after a code those of the same step
// and of earlier ones are refused. One for the process, whatever becomes of its configuration; any
// thread. Keeps as much as was used in the last minute and a half, and refuses codes rather than
// keeping more than `capacity`.
class UsedCodes {
 public:
  static constexpr std::size_t kCapacity = 262'144;
  using Clock = std::chrono::seconds (*)();  // Unix time

  static std::chrono::seconds system_time();

  explicit UsedCodes(std::size_t capacity = kCapacity, Clock clock = system_time)
      : capacity_(capacity), clock_(clock) {}

  // Looks at a code and, where it is good and `use` is set, uses it up. `login` is what one login
  // is called: when a reload makes it ask again, its code is still its own. kTotp: good.
  [[nodiscard]] metrics::Factor check(const TotpSecret& secret, std::string_view code,
                                      std::string_view login, bool use);

 private:
  struct Use {
    std::uint64_t step = 0;
    std::string login;
  };
  void forget(std::uint64_t now);

  const std::size_t capacity_;
  const Clock clock_;
  const net::Key key_ = net::random_key();
  std::mutex mutex_;  // guards what follows
  // By a keyed hash of the secret, since a user may have several names.
  std::unordered_map<std::string, Use> last_;
  std::deque<std::pair<std::string, std::uint64_t>> order_;  // as they came
};

// A password with a code at its end.
struct PasswordAndCode {
  // Without six digits at the end, or with nothing before them, the code is empty.
  explicit PasswordAndCode(const Secret& given);

  Secret password;
  Secret code;
};

}  // namespace headgate::proof
