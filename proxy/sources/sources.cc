#include "sources/sources.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <span>
#include <utility>

#include "auth/cached_source.h"
#include "base/name_template.h"
#include "sources/backend_source.h"
#include "sources/directory_source.h"
#include "sources/open_directories.h"
#include "sources/passwd_file.h"
#include "sources/passwd_file_source.h"

namespace headgate::sources {

namespace {

using Errors = std::vector<std::string>;

std::expected<void, Errors> check_map(const SourceOptions& options) {
  Errors errors;
  for (std::size_t i = 0; i < options.map->all().size(); ++i) {
    const MapRule& rule = options.map->all()[i];
    const std::size_t groups = rule.pattern ? rule.pattern->mark_count() : 0;
    if (!is_name_template(rule.rewrite, groups)) {
      errors.push_back(fmt::format(
          "{}: map[{}].rewrite: expected {{user}}, {{local_part}}, {{domain}} or a group of the "
          "pattern, {{1}} to {{{}}}, as all that stands in braces",
          options.name, i, groups));
    }
  }
  return errors.empty() ? std::expected<void, Errors>() : std::unexpected(std::move(errors));
}

// Reads it once, so that an error is known at start.
std::expected<void, Errors> check_keys_file(const SourceOptions& options) {
  const std::string& path = options.oauth->keys_file;
  if (path.empty()) {
    return {};
  }
  const auto text = read_keys_file(path);
  if (!text) {
    return std::unexpected(Errors{text.error()});
  }
  if (const auto keys = proof::JsonWebKeySet::parse(text->view()); !keys) {
    return std::unexpected(Errors{fmt::format("{}: {}", path, keys.error())});
  }
  return {};
}

// An error in the rule that makes a certificate's name a user's.
std::expected<void, Errors> check_certificate(const SourceOptions& options) {
  const CertificateOptions& rule = *options.certificate;
  const std::size_t groups = rule.pattern ? rule.pattern->mark_count() : 0;
  if (!is_name_template(rule.rewrite, groups)) {
    return std::unexpected(Errors{fmt::format(
        "{}: certificate.rewrite: expected {{user}}, {{local_part}}, {{domain}} or a group of the "
        "pattern, {{1}} to {{{}}}, as all that stands in braces",
        options.name, groups)});
  }
  return {};
}

// Which credentials a source judges; auth_http may judge others than passwords as well.
enum class Judges : std::uint8_t { kPasswords, kTokens, kCertificates };

Judges judges(const SourceOptions& source) {
  return source.kind == SourceKind::kOauth         ? Judges::kTokens
         : source.kind == SourceKind::kCertificate ? Judges::kCertificates
                                                   : Judges::kPasswords;
}

bool judges_as_well(const SourceOptions& source, Judges what) {
  return source.auth_http &&
         ((what == Judges::kTokens && source.auth_http->methods.token) ||
          (what == Judges::kCertificates && source.auth_http->methods.external));
}

// Whether none behind this one can know the user whom it does not: none of those is asked that
// judge other credentials. But a source that leaves the judging to the backend may take tokens.
bool is_last(const std::vector<SourceOptions>& all, std::size_t at) {
  return std::ranges::none_of(std::span(all).subspan(at + 1), [&](const SourceOptions& source) {
    return judges(source) == judges(all[at]) || judges_as_well(source, judges(all[at])) ||
           (judges(all[at]) == Judges::kTokens && judges(source) == Judges::kPasswords);
  });
}

}  // namespace

bool SourceOptions::routes_by_dovecot() const {
  return dovecot_auth != nullptr && dovecot_auth->route_only;
}

std::expected<SharedSources, Errors> SharedSources::load(
    const std::vector<SourceOptions>& options, const SharedSources* before,
    std::shared_ptr<const PolicyOptions> policy) {
  SharedSources shared;
  shared.decoys_ = before != nullptr ? before->decoys_ : std::make_shared<proof::ScramDecoys>();
  shared.used_codes_ =
      before != nullptr ? before->used_codes_ : std::make_shared<proof::UsedCodes>();
  if (policy && before != nullptr && before->policy_ && policy->same(*before->policy_->options)) {
    shared.policy_ = before->policy_;
  } else if (policy) {
    shared.policy_ = std::make_shared<PolicyServer>(std::move(policy));
  }
  Errors errors;
  for (const SourceOptions& option : options) {
    Source& source = shared.sources_.emplace_back();
    source.options = option;
    source.last = is_last(options, shared.sources_.size() - 1);
    source.codes = {.used = shared.used_codes_, .apps = option.apps_need_code};
    source.breaker = std::make_shared<auth::Breaker>(option.name, option.guard.breaker);
    if (option.cache) {
      source.cache = std::make_shared<auth::LookupCache>(*option.cache);
    }
    if (option.pools) {
      source.pools = std::make_shared<auth::PoolMemory>(*option.pools);
    }
    if (before != nullptr) {
      before->take_over(source);
    }
    if (auto opened = open(source); !opened) {
      std::ranges::move(opened.error(), std::back_inserter(errors));
    }
  }
  if (options.empty()) {
    errors.emplace_back("expected at least one user source; found none");
  }
  if (!errors.empty()) {
    return std::unexpected(std::move(errors));
  }
  return shared;
}

void SharedSources::take_over(Source& source) const {
  for (const Source& known : sources_) {
    if (!source.options.unchanged) {
      // Users do not move since somebody names another pool.
      if (known.options.name == source.options.name && known.pools && source.pools) {
        source.pools->take_over(*known.pools);
      }
      continue;
    }
    // Who comes last answers for users whom nobody knows; its connections have to know that.
    if (known.options.name == source.options.name && known.last == source.last) {
      source.directories = known.directories;
      source.pools = known.pools;
      source.breaker = known.breaker;
      source.cache = known.cache;
      if (known.auth_http &&
          known.auth_http->options->known_backends == source.options.auth_http->known_backends) {
        source.auth_http = known.auth_http;
      }
      source.oauth = known.oauth;
      if (known.dovecot_auth &&
          known.dovecot_auth->options->known_backends ==
              source.options.dovecot_auth->known_backends &&
          known.dovecot_auth->options->mechanisms == source.options.dovecot_auth->mechanisms) {
        source.dovecot_auth = known.dovecot_auth;
      }
    }
  }
}

std::expected<void, Errors> SharedSources::open(Source& source) {
  if (source.options.kind == SourceKind::kPasswdFile) {
    auto file = PasswdFile::open(source.options.path);
    if (!file) {
      return std::unexpected(std::move(file.error()));
    }
    source.file = *std::move(file);
  } else if (source.directories) {
    return {};  // open since before
  } else if (source.options.kind == SourceKind::kSql || source.options.kind == SourceKind::kLdap ||
             source.options.kind == SourceKind::kPam || source.options.routes_by_dovecot()) {
    auto directories = open_directories(source.options, source.last, source.codes);
    if (!directories) {
      return std::unexpected(Errors{std::move(directories.error())});
    }
    source.directories = *std::move(directories);
  } else if (source.options.kind == SourceKind::kMap) {
    return check_map(source.options);
  } else if (source.options.kind == SourceKind::kAuthHttp && !source.auth_http) {
    source.auth_http = std::make_shared<AuthHttpServers>(source.options.auth_http);
  } else if (source.options.kind == SourceKind::kDovecotAuth && !source.dovecot_auth) {
    source.dovecot_auth = std::make_shared<DovecotAuthServers>(source.options.dovecot_auth);
  } else if (source.options.kind == SourceKind::kOauth) {
    if (!source.oauth) {
      source.oauth = std::make_shared<OauthServers>(source.options.name, source.options.oauth);
    }
    return check_keys_file(source.options);
  } else if (source.options.kind == SourceKind::kCertificate) {
    return check_certificate(source.options);
  }
  return {};
}

std::unique_ptr<auth::UserSource> SharedSources::make_source(const Source& source, net::Loop& loop,
                                                             net::TimerWheel& timers) {
  switch (source.options.kind) {
    case SourceKind::kBackend:
      return std::make_unique<BackendSource>(source.pools);
    case SourceKind::kPasswdFile:
      return std::make_unique<PasswdFileSource>(loop, source.file, source.last, source.codes);
    case SourceKind::kSql:
      return std::make_unique<DirectorySource>(loop, timers, source.directories, "sql",
                                               source.options.hands_out);
    case SourceKind::kLdap:
      return std::make_unique<DirectorySource>(loop, timers, source.directories, "ldap",
                                               source.options.hands_out);
    case SourceKind::kPam:
      return std::make_unique<DirectorySource>(loop, timers, source.directories, "pam", false);
    case SourceKind::kMap:
      return std::make_unique<MapSource>(source.options.map);
    case SourceKind::kAuthHttp:
      return std::make_unique<AuthHttpSource>(loop, timers, source.auth_http);
    case SourceKind::kOauth:
      return std::make_unique<OauthSource>(loop, timers, source.oauth, source.last);
    case SourceKind::kCertificate:
      return std::make_unique<CertificateSource>(source.options.certificate, source.last);
    case SourceKind::kDovecotAuth:
      if (source.directories) {
        return std::make_unique<DirectorySource>(loop, timers, source.directories, "dovecot_auth",
                                                 false);
      }
      return std::make_unique<DovecotAuthSource>(loop, timers, source.dovecot_auth);
  }
  return nullptr;
}

std::vector<std::unique_ptr<auth::UserSource>> SharedSources::make_sources(
    net::Loop& loop, net::TimerWheel& timers, metrics::WorkerMetrics& metrics) const {
  std::vector<std::unique_ptr<auth::UserSource>> sources;
  for (const Source& source : sources_) {
    metrics::SourceMetrics& counters = metrics.source(source.options.name);
    auto made = std::make_unique<auth::GuardedSource>(
        timers, make_source(source, loop, timers), source.options.guard, source.breaker, counters);
    if (source.cache) {
      sources.push_back(
          std::make_unique<auth::CachedSource>(std::move(made), source.cache, counters));
    } else {
      sources.push_back(std::move(made));
    }
  }
  return sources;
}

std::unique_ptr<PolicyClient> SharedSources::make_policy_client(net::Loop& loop,
                                                                net::TimerWheel& timers) const {
  return policy_ ? std::make_unique<PolicyClient>(loop, timers, policy_) : nullptr;
}

std::vector<std::shared_ptr<auth::PoolMemory>> SharedSources::pool_memories() const {
  std::vector<std::shared_ptr<auth::PoolMemory>> all;
  for (const Source& source : sources_) {
    if (source.pools && source.pools->keep()) {
      all.push_back(source.pools);
    }
  }
  return all;
}

void SharedSources::resolve() const {
  if (policy_) {
    policy_->server.resolve();
  }
  for (const Source& source : sources_) {
    if (source.auth_http) {
      source.auth_http->resolve();
    }
    if (source.oauth) {
      source.oauth->resolve();
    }
    if (source.dovecot_auth) {
      source.dovecot_auth->resolve();
    }
  }
}

auth::LookupResult SharedSources::Source::explain(std::string_view user) const {
  switch (options.kind) {
    case SourceKind::kBackend:
      break;
    case SourceKind::kPasswdFile:
      return file->explain(user);
    case SourceKind::kSql:
    case SourceKind::kLdap:
    case SourceKind::kPam:
      return directories->explain(user);
    case SourceKind::kMap:
      return MapSource(options.map).explain(user);
    case SourceKind::kAuthHttp:
      return explain_auth_http();
    case SourceKind::kOauth:
      return OauthSource::explain(user, last);
    case SourceKind::kCertificate:
      return CertificateSource(options.certificate, last).explain(user);
    case SourceKind::kDovecotAuth:
      if (directories) {
        return directories->explain(user);
      }
      return explain_dovecot_auth(*dovecot_auth->options, user);
  }
  return BackendSource(pools).explain(user);
}

auth::ChainResult SharedSources::explain(std::string_view user) const {
  for (std::size_t at = 0; at < sources_.size(); ++at) {
    auth::LookupResult result = sources_[at].explain(user);
    if (!std::holds_alternative<auth::UnknownHere>(result)) {
      return {std::move(result), at};
    }
  }
  return {auth::Rejected{dialogue::LoginFailure::kWrongCredentials}, sources_.size() - 1};
}

std::chrono::milliseconds SharedSources::longest_deadline() const {
  std::chrono::milliseconds longest{0};
  for (const Source& source : sources_) {
    longest = std::max(longest, source.options.guard.deadline);
  }
  return longest + std::chrono::seconds(1);
}

std::vector<metrics::SourceFigures> SharedSources::figures() const {
  std::vector<metrics::SourceFigures> all;
  for (const Source& source : sources_) {
    metrics::SourceFigures& one = all.emplace_back();
    one.source = source.options.name;
    one.breaker_open = source.breaker->open();
    one.breaker_openings = source.breaker->openings();
    one.cache_entries = source.cache ? source.cache->size() : 0;
    if (source.pools) {
      one.pools = source.pools->logins();
      one.pools_remembered = source.pools->size();
    }
  }
  return all;
}

std::vector<metrics::LookupServerFigures> SharedSources::lookup_server_figures() const {
  std::vector<metrics::LookupServerFigures> all;
  if (policy_) {
    all.push_back(policy_->server.figures("login.policy"));
  }
  for (const Source& source : sources_) {
    if (source.auth_http) {
      for (const auto& server : source.auth_http->servers) {
        all.push_back(server->figures(source.options.name));
      }
    }
    if (source.directories) {
      source.directories->add_figures(source.options.name, all);
    }
    if (source.dovecot_auth) {
      for (const auto& server : source.dovecot_auth->servers) {
        all.push_back(server->state.figures(source.options.name));
      }
    }
    if (source.oauth) {
      for (const LookupServer* server :
           {source.oauth->keys.get(), source.oauth->introspection.get()}) {
        if (server != nullptr) {
          all.push_back(server->figures(source.options.name));
        }
      }
    }
  }
  return all;
}

}  // namespace headgate::sources
