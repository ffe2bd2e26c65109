#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "auth/chain.h"
#include "auth/guarded_source.h"
#include "auth/lookup_cache.h"
#include "auth/pool_memory.h"
#include "auth/user_source.h"
#include "metrics/source_figures.h"
#include "metrics/worker_metrics.h"
#include "net/loop.h"
#include "proof/scram_decoys.h"
#include "sources/auth_http_source.h"
#include "sources/certificate_source.h"
#include "sources/dovecot_auth_source.h"
#include "sources/ldap_directory.h"
#include "sources/map_source.h"
#include "sources/oauth_source.h"
#include "sources/pam_directory.h"
#include "sources/policy_client.h"
#include "sources/sql_directory.h"

namespace headgate::sources {

enum class SourceKind : std::uint8_t {
  kBackend,
  kPasswdFile,
  kSql,
  kLdap,
  kMap,
  kAuthHttp,
  kOauth,
  kPam,
  kCertificate,
  kDovecotAuth
};

// One entry of `users:` in the configuration, as far as this room is concerned.
struct SourceOptions {
  SourceKind kind = SourceKind::kBackend;
  std::string path;  // kPasswdFile
  std::string name;  // in metrics and logs; no two have the same
  auth::GuardOptions guard;
  std::optional<auth::CacheOptions> cache;
  std::optional<auth::PoolChain> pools;                    // kBackend, where there are several
  std::shared_ptr<const MapRules> map;                     // kMap
  std::shared_ptr<const AuthHttpOptions> auth_http;        // kAuthHttp
  std::shared_ptr<const OauthOptions> oauth;               // kOauth
  std::shared_ptr<const DovecotAuthOptions> dovecot_auth;  // kDovecotAuth
  std::shared_ptr<const PamOptions> pam;                   // kPam
  std::shared_ptr<const CertificateOptions> certificate;   // kCertificate
  // What they hold goes to those who connect.
  std::shared_ptr<SqlOptions> sql;    // kSql
  std::shared_ptr<LdapOptions> ldap;  // kLdap
  bool apps_need_code = true;         // kPasswdFile, kSql, kLdap; see CodeRules
  // The source of this name among those before has the very same options: see load().
  bool unchanged = false;
  // kSql, kLdap: it knows what is stored of a password, for exchanges.
  bool hands_out = false;

  // kDovecotAuth that is asked by its master socket alone, as a directory.
  [[nodiscard]] bool routes_by_dovecot() const;
};

struct Directories;
class PasswdFile;

// What the workers' sources share: the files' contents, the connections, the state of servers, the
// breakers, the caches. Made before the workers, and anew with each reload. Its end may wait for
// look-ups under way, so the last one to let go of it must not be a worker.
class SharedSources {
 public:
  // All errors of all files, each "FILE:LINE: what was expected". Blocks. Which one-time codes were
  // used is known from `before` on; connections, breaker and
  // cache of a source that is unchanged since `before` go on; files are read in any case.
  static std::expected<SharedSources, std::vector<std::string>> load(
      const std::vector<SourceOptions>& options, const SharedSources* before = nullptr,
      std::shared_ptr<const PolicyOptions> policy = nullptr);

  // A worker's own sources, in the order of the options; they must go before this object and before
  // `timers` and `metrics`, which are the worker's.
  [[nodiscard]] std::vector<std::unique_ptr<auth::UserSource>> make_sources(
      net::Loop& loop, net::TimerWheel& timers, metrics::WorkerMetrics& metrics) const;

  // A worker's client of the policy server, under the same conditions; null where there is none.
  [[nodiscard]] std::unique_ptr<PolicyClient> make_policy_client(net::Loop& loop,
                                                                 net::TimerWheel& timers) const;

  // Which users live in which pool, as far as it is to outlive a restart, in the order of the
  // options.
  [[nodiscard]] std::vector<std::shared_ptr<auth::PoolMemory>> pool_memories() const;

  // Resolves the names of lookup servers: once before the workers, then from time to time. Blocks.
  void resolve() const;

  // Where would this user go, and which source says so? Without a password. Blocks.
  [[nodiscard]] auth::ChainResult explain(std::string_view user) const;

  // What exchanges share, made once for the process.
  [[nodiscard]] const std::shared_ptr<proof::ScramDecoys>& decoys() const { return decoys_; }

  // Longer than every source's own deadline.
  [[nodiscard]] std::chrono::milliseconds longest_deadline() const;
  // For the metrics page; any thread.
  [[nodiscard]] std::vector<metrics::SourceFigures> figures() const;
  // Likewise, all lookup servers in the order of the options.
  [[nodiscard]] std::vector<metrics::LookupServerFigures> lookup_server_figures() const;

 private:
  struct Source {
    SourceOptions options;
    bool last = false;
    auth::CodeRules codes;
    std::shared_ptr<PasswdFile> file;
    std::shared_ptr<const Directories> directories;
    std::shared_ptr<AuthHttpServers> auth_http;
    std::shared_ptr<OauthServers> oauth;
    std::shared_ptr<DovecotAuthServers> dovecot_auth;
    std::shared_ptr<auth::PoolMemory> pools;  // null: there is one pool
    std::shared_ptr<auth::Breaker> breaker;
    std::shared_ptr<auth::LookupCache> cache;

    [[nodiscard]] auth::LookupResult explain(std::string_view user) const;
  };
  static std::expected<void, std::vector<std::string>> open(Source& source);
  static std::unique_ptr<auth::UserSource> make_source(const Source& source, net::Loop& loop,
                                                       net::TimerWheel& timers);
  // What an unchanged source has of connections, breaker and cache.
  void take_over(Source& source) const;

  std::vector<Source> sources_;
  std::shared_ptr<proof::ScramDecoys> decoys_;
  std::shared_ptr<proof::UsedCodes> used_codes_;
  std::shared_ptr<PolicyServer> policy_;  // null: there is none
};

}  // namespace headgate::sources
