#include "auth/sources.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "auth/backend_source.h"
#include "auth/passwd_file.h"
#include "auth/passwd_file_source.h"

namespace headgate::auth {

std::expected<SharedSources, std::vector<std::string>> SharedSources::load(
    const std::vector<SourceOptions>& options) {
  SharedSources shared;
  std::vector<std::string> errors;
  for (const SourceOptions& option : options) {
    Source& source = shared.sources_.emplace_back();
    source.kind = option.kind;
    if (option.kind == SourceKind::kAuthHttp) {
      source.auth_http = std::make_shared<AuthHttpServers>(option.auth_http);
    }
    if (option.kind != SourceKind::kPasswdFile) {
      continue;
    }
    if (auto file = PasswdFile::open(option.path)) {
      source.file = *std::move(file);
    } else {
      std::ranges::move(file.error(), std::back_inserter(errors));
    }
  }
  if (options.empty()) {
    errors.emplace_back("expected at least one user source; found none");
  }
  if (!errors.empty()) {
    return std::unexpected(std::move(errors));
  }
  shared.sources_.back().last = true;
  return shared;
}

std::vector<std::unique_ptr<UserSource>> SharedSources::make_sources(
    net::Loop& loop, net::TimerWheel& timers) const {
  std::vector<std::unique_ptr<UserSource>> sources;
  for (const Source& source : sources_) {
    switch (source.kind) {
      case SourceKind::kBackend:
        sources.push_back(std::make_unique<BackendSource>());
        break;
      case SourceKind::kPasswdFile:
        sources.push_back(std::make_unique<PasswdFileSource>(loop, source.file, source.last));
        break;
      case SourceKind::kAuthHttp:
        sources.push_back(std::make_unique<AuthHttpSource>(loop, timers, source.auth_http));
        break;
    }
  }
  return sources;
}

void SharedSources::resolve() const {
  for (const Source& source : sources_) {
    if (source.auth_http) {
      source.auth_http->resolve();
    }
  }
}

std::vector<SourceServer> SharedSources::servers() const {
  std::vector<SourceServer> all;
  for (std::size_t at = 0; at < sources_.size(); ++at) {
    if (sources_[at].auth_http) {
      for (const auto& server : sources_[at].auth_http->servers) {
        all.push_back({at, server.get()});
      }
    }
  }
  return all;
}

LookupResult SharedSources::Source::explain(std::string_view user) const {
  switch (kind) {
    case SourceKind::kPasswdFile:
      return file->explain(user);
    case SourceKind::kAuthHttp:
      return explain_auth_http();
    case SourceKind::kBackend:
      break;
  }
  return BackendSource().explain(user);
}

ChainResult SharedSources::explain(std::string_view user) const {
  for (std::size_t at = 0; at < sources_.size(); ++at) {
    LookupResult result = sources_[at].explain(user);
    if (!std::holds_alternative<UnknownHere>(result)) {
      return {std::move(result), at};
    }
  }
  return {Rejected{dialogue::LoginFailure::kWrongCredentials}, sources_.size() - 1};
}

}  // namespace headgate::auth
