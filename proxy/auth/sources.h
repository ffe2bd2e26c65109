#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "auth/chain.h"
#include "auth/user_source.h"
#include "net/loop.h"

namespace headgate::auth {

enum class SourceKind : std::uint8_t { kBackend, kPasswdFile };

// One entry of `users:` in the configuration, as far as this room is concerned.
struct SourceOptions {
  SourceKind kind = SourceKind::kBackend;
  std::string path;  // kPasswdFile
};

class PasswdFile;

// What the workers' sources share: the files' contents. Made once, before the workers.
class SharedSources {
 public:
  // All errors of all files, each "FILE:LINE: what was expected". Blocks.
  static std::expected<SharedSources, std::vector<std::string>> load(
      const std::vector<SourceOptions>& options);

  // A worker's own sources, in the order of the options.
  [[nodiscard]] std::vector<std::unique_ptr<UserSource>> make_sources(net::Loop& loop) const;

  // Where would this user go, and which source says so? Without a password. Blocks.
  [[nodiscard]] ChainResult explain(std::string_view user) const;

 private:
  struct Source {
    SourceKind kind = SourceKind::kBackend;
    std::shared_ptr<PasswdFile> file;
    bool last = false;
  };
  std::vector<Source> sources_;
};

}  // namespace headgate::auth
