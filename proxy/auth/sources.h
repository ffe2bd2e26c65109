#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "auth/auth_http_source.h"
#include "auth/chain.h"
#include "auth/lookup_server.h"
#include "auth/user_source.h"
#include "net/loop.h"
#include "net/timer_wheel.h"

namespace headgate::auth {

enum class SourceKind : std::uint8_t { kBackend, kPasswdFile, kAuthHttp };

// One entry of `users:` in the configuration, as far as this room is concerned.
struct SourceOptions {
  SourceKind kind = SourceKind::kBackend;
  std::string path;                                       // kPasswdFile
  std::shared_ptr<const AuthHttpOptions> auth_http = {};  // kAuthHttp
};

class PasswdFile;

// A lookup server of one source.
struct SourceServer {
  std::size_t source = 0;  // index
  const LookupServer* server = nullptr;
};

// What the workers' sources share: the files' contents, the state of servers. Made once, before the
// workers.
class SharedSources {
 public:
  // All errors of all files, each "FILE:LINE: what was expected". Blocks.
  static std::expected<SharedSources, std::vector<std::string>> load(
      const std::vector<SourceOptions>& options);

  // A worker's own sources, in the order of the options.
  [[nodiscard]] std::vector<std::unique_ptr<UserSource>> make_sources(
      net::Loop& loop, net::TimerWheel& timers) const;

  // Resolves the names of lookup servers: once before the workers, then from time to time. Blocks.
  void resolve() const;
  // All lookup servers, in the order of the options; any thread.
  [[nodiscard]] std::vector<SourceServer> servers() const;

  // Where would this user go, and which source says so? Without a password. Blocks.
  [[nodiscard]] ChainResult explain(std::string_view user) const;

 private:
  struct Source {
    SourceKind kind = SourceKind::kBackend;
    std::shared_ptr<PasswdFile> file;
    std::shared_ptr<AuthHttpServers> auth_http;
    bool last = false;

    [[nodiscard]] LookupResult explain(std::string_view user) const;
  };
  std::vector<Source> sources_;
};

}  // namespace headgate::auth
