#pragma once

#include <sys/stat.h>
#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <expected>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "auth/code_check.h"
#include "auth/user_source.h"
#include "base/secret.h"
#include "sources/passwd_table.h"

namespace headgate::sources {

// A passwd file and its contents as last read, shared by all workers' sources. Everything here may
// block and so is for start-up and the thread pool; all of it is safe on any thread.
class PasswdFile {
 public:
  using Clock = std::chrono::steady_clock;
  static constexpr std::chrono::seconds kCheckEvery{1};
  static constexpr std::size_t kLargestFile = std::size_t{1} << 30;

  // Errors as "FILE:LINE: …", or "FILE: …" where the file as a whole cannot be read.
  static std::expected<std::shared_ptr<PasswdFile>, std::vector<std::string>> open(
      std::string path);

  // Looks whether the file changed, unless somebody did less than kCheckEvery ago, and reads it
  // again if so. A file that is gone or broken leaves the contents as they are, with a warning.
  std::shared_ptr<const PasswdTable> current(Clock::time_point now = Clock::now());

  // UnknownHere takes as long as a wrong password when `hash_unknown` is set.
  // `login`: see UsedCodes.
  auth::LookupResult check(std::string_view user, const Secret& password, bool hash_unknown,
                           const auth::CodeRules& codes = {}, std::string_view login = {});
  // Known, UnknownHere, or Rejected where nothing opens or a one-time code is needed.
  auth::LookupResult stored(std::string_view user);
  auth::LookupResult explain(std::string_view user);

  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  // What tells one version of the file from another.
  struct Stamp {
    dev_t device = 0;
    ino_t inode = 0;
    off_t size = -1;  // -1: there was no file
    std::int64_t modified_ns = 0;
    std::int64_t changed_ns = 0;
    friend bool operator==(const Stamp&, const Stamp&) = default;
  };
  struct Version {
    Stamp stamp;
    std::expected<std::shared_ptr<const PasswdTable>, std::vector<std::string>> table;
  };

  explicit PasswdFile(std::string path) : path_(std::move(path)) {}
  static Stamp stamp_of(const struct stat& status);
  Stamp stamp_now() const;
  Version read() const;
  void refresh();

  const std::string path_;
  std::mutex mutex_;  // guards what follows; never held while reading the file
  std::shared_ptr<const PasswdTable> table_;
  Stamp stamp_;
  Clock::time_point checked_{};
  bool refreshing_ = false;
};

}  // namespace headgate::sources
