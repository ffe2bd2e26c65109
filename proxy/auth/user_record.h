#pragma once

#include <expected>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "auth/password_hash.h"
#include "auth/user_source.h"
#include "base/secret.h"

namespace headgate::auth {

// What a database says about one user.
struct UserRecord {
  std::optional<Secret> password;  // as PasswordHash::parse() takes it
  Route route;
};

// Sets what a column or an attribute stands for: password, user (the name that the backend login
// uses), pool, backend (HOST:PORT, or HOST alone where `port` is not 0). The error says what was
// expected; it never repeats a password.
std::expected<void, std::string> set_field(UserRecord& record, std::string_view field,
                                           std::string_view value, std::uint16_t port = 0);

// Compares passwords with what a database has. A user who is not there costs the same hash as one
// who is, so that the time of the reply tells nothing. Any thread.
class RecordChecker {
 public:
  struct Options {
    std::string source;           // its name, for the log
    bool checks_password = true;  // false: the backend does, and no master user is used
    bool hash_unknown = true;     // see PasswdFileSource
  };
  explicit RecordChecker(Options options) : options_(std::move(options)) {}

  // `record`: nullopt where the database knows no such user. `user` is for the log.
  LookupResult check(std::optional<UserRecord> record, std::string_view user,
                     const Secret& password);

  // What there is to judge a client by that proves itself in an exchange: Known, UnknownHere, or
  // Rejected where there is nothing. Only of use where the password is checked here.
  LookupResult hand_out(std::optional<UserRecord> record, std::string_view user);

  // Costs as much as a check of an existing user's password.
  void burn(const Secret& password);

  [[nodiscard]] const Options& options() const { return options_; }

 private:
  PasswordHash typical();
  void note(const PasswordHash& hash);

  const Options options_;
  std::mutex mutex_;
  std::optional<PasswordHash> typical_;  // of those seen, the last one; guarded by mutex_
};

}  // namespace headgate::auth
