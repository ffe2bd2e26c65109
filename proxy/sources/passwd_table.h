#pragma once

#include <cstddef>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "auth/user_source.h"
#include "proof/one_time_code.h"
#include "proof/password_counts.h"
#include "proof/password_hash.h"

namespace headgate::sources {

struct PasswdEntry {
  // What an application logs in with in the user's name.
  struct AppPassword {
    proof::PasswordHash hash;
    std::string label;
  };

  proof::PasswordHash hash;  // of the user's own password
  auth::Route route;
  int line = 0;
  bool locked = false;  // nothing opens it, application passwords included
  std::vector<AppPassword> apps;
  std::optional<proof::TotpSecret> totp = {};
};

// What is wrong with one line of a passwd file.
struct PasswdError {
  int line = 0;      // from 1
  std::string what;  // "expected …; found …"; never a hash
};

// The contents of a passwd file, as Dovecot's passwd-file has them; immutable.
//
//   user:hash[:uid:gid:gecos:home:shell[:extra]]
//   user:hash:extra                               (the third field holds a '=')
//
// `extra` are words separated by spaces: pool=NAME, backend=HOST:PORT, backend_user=NAME (login
// name at the backend), totp=BASE32 (the secret of the user's authenticator), max_sessions=NUMBER,
// forward_KEY=VALUE, and userdb_…, which are for Dovecot alone. Lines that are empty or begin with
// '#' are skipped. User names are unique without regard to the case of ASCII letters, but for lines
// with app=LABEL alone as `extra`: these are application passwords of a user who has a line of his
// own, each with a label of its own, at most kMostPasswords with the user's. They open what that
// line says. A hash that begins with '!' on the user's own line shuts them all out; '*' says that
// the user has no other password.
class PasswdTable {
 public:
  static constexpr std::size_t kLongestLine = 8192;
  static constexpr std::size_t kMostErrors = 20;  // more are not looked for

  static std::expected<PasswdTable, std::vector<PasswdError>> parse(std::string_view text);

  // How many hashes a user costs who is not there.
  [[nodiscard]] std::size_t typical_count(std::string_view user) const {
    return counts_.draw(user);
  }
  // nullptr: no such user.
  [[nodiscard]] const PasswdEntry* find(std::string_view user) const;
  // What takes as long as most of the file's hashes, for users who are not there; nullptr where
  // the file has no hash at all.
  [[nodiscard]] const proof::PasswordHash* typical_hash() const {
    return typical_ ? &*typical_ : nullptr;
  }
  [[nodiscard]] std::size_t size() const { return entries_.size(); }

 private:
  void choose_typical_hash();
  void count_passwords();

  std::unordered_map<std::string, PasswdEntry> entries_;  // by lower-case name
  std::optional<proof::PasswordHash> typical_;
  proof::PasswordCounts counts_;
};

}  // namespace headgate::sources
