#pragma once

#include <expected>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "auth/code_check.h"
#include "auth/user_source.h"
#include "base/secret.h"
#include "proof/one_time_code.h"
#include "proof/password_counts.h"
#include "proof/password_hash.h"

namespace headgate::sources {

// What a database says about one user; one of several where the user has several passwords, each
// with the route that it opens.
struct UserRecord {
  std::optional<Secret> password;  // as PasswordHash::parse() takes it
  std::optional<Secret> totp;      // as TotpSecret::parse() takes it; the user's, so all have one
  auth::Route route;               // with the label of an application password
};

// Sets what a column or an attribute stands for: password, app (the label that makes the password
// one of an application's), totp (the secret of the user's authenticator), user (the name that the
// backend login uses), pool, backend (HOST:PORT, or HOST alone where `port` is not 0),
// max_sessions, forward_KEY. The error says what was expected; it never repeats a password.
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
    auth::CodeRules codes = {};
  };
  explicit RecordChecker(Options options) : options_(std::move(options)) {}

  // `records`: none where the database knows no such user. `user` is for the log, `login` what one
  // login is called: see UsedCodes. All of a user's
  // passwords are compared, whichever is the right one, so that the time does not tell which.
  // Whether some hashes are dearer than others is not hidden.
  auth::LookupResult check(std::vector<UserRecord> records, std::string_view user,
                           const Secret& password, std::string_view login = {});

  // What there is to judge a client by that proves itself in an exchange: Known, UnknownHere, or
  // Rejected where there is nothing or a one-time code is needed. Only of use where the password is
  // checked here.
  auth::LookupResult hand_out(std::vector<UserRecord> records, std::string_view user);

  // The secret that the user's records name; null: none. The error is for the client, and the log
  // has the reason.
  std::expected<std::optional<proof::TotpSecret>, auth::LookupResult> totp_of(
      const std::vector<UserRecord>& records, std::string_view user) const;

  [[nodiscard]] const Options& options() const { return options_; }

 private:
  // What stands in a user's records.
  struct Passwords {
    std::vector<proof::PasswordHash> hashes;
    std::vector<auth::Route*> routes;  // of these
    bool locked = false;               // whatever else there is
    bool all_understood = true;
  };
  auth::LookupResult compare(std::vector<UserRecord>& records, std::string_view user,
                             const Secret& password, const auth::CodeCheck& code);
  Passwords read(std::vector<UserRecord>& records, std::string_view user) const;
  auth::LookupResult refuse(std::string_view why, std::string_view user) const;
  void burn(const Secret& password, std::size_t times);
  proof::PasswordHash typical();
  std::size_t typical_count(std::string_view user);
  void note(const std::vector<proof::PasswordHash>& hashes);

  const Options options_;
  std::mutex mutex_;
  std::optional<proof::PasswordHash> typical_;  // of those seen, the last one; guarded by mutex_
  proof::PasswordCounts counts_;                // guarded by mutex_
};

}  // namespace headgate::sources
