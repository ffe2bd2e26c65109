#include "server/source_options.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <memory>
#include <utility>

namespace headgate::server {
namespace {

static_assert(std::ranges::equal(auth::kRequestResultNames, metrics::kLookupResultNames));

auth::SourceKind kind_of(config::SourceKind kind) {
  switch (kind) {
    case config::SourceKind::kPasswdFile:
      return auth::SourceKind::kPasswdFile;
    case config::SourceKind::kAuthHttp:
      return auth::SourceKind::kAuthHttp;
    case config::SourceKind::kBackend:
      break;
  }
  return auth::SourceKind::kBackend;
}

std::shared_ptr<const auth::AuthHttpOptions> auth_http(const config::Config& config,
                                                       const config::UserSource& source) {
  auto options = std::make_shared<auth::AuthHttpOptions>();
  options->urls.push_back(*source.url);
  options->urls.insert(options->urls.end(), source.http.more.begin(), source.http.more.end());
  for (const config::HttpHeader& header : source.http.headers) {
    options->headers.push_back({header.name, header.value.clone()});
  }
  options->timeout = source.http.timeout;
  options->hedge_after = source.http.hedge_after;
  options->keep_alive = source.http.keep_alive;
  options->spread = source.http.spread;
  options->verify = source.http.verify;
  options->ca = source.http.ca;
  options->max_requests = source.http.max_requests;
  for (const config::Pool& pool : config.pools) {
    std::ranges::transform(pool.backends, std::back_inserter(options->known_backends),
                           &config::Backend::address);
  }
  return options;
}

}  // namespace

std::vector<auth::SourceOptions> source_options(const config::Config& config) {
  std::vector<auth::SourceOptions> options;
  for (const config::UserSource& source : config.users) {
    auth::SourceOptions& option = options.emplace_back();
    option.kind = kind_of(source.kind);
    option.path = source.path;
    if (source.kind == config::SourceKind::kAuthHttp) {
      option.auth_http = auth_http(config, source);
    }
  }
  return options;
}

std::vector<metrics::LookupServerFigures> figures(const auth::SharedSources& sources) {
  static_assert(std::ranges::equal(auth::SharedHistogram::kBounds, metrics::kLoginBounds),
                "durations are counted into the buckets that the page names");
  std::vector<metrics::LookupServerFigures> all;
  for (const auto& [source, server] : sources.servers()) {
    metrics::LookupServerFigures& one = all.emplace_back();
    one.source = fmt::format("users[{}]", source);
    one.server = server->name();
    for (std::size_t at = 0; at < metrics::kLookupResultNames.size(); ++at) {
      one.requests[at] = server->results(static_cast<auth::RequestResult>(at));
    }
    one.hedges = server->hedges();
    one.up = server->is_up();
    for (std::size_t at = 0; at < one.durations.size(); ++at) {
      one.durations[at] = server->duration.count(at);
    }
    one.sum_us = server->duration.sum_us();
  }
  return all;
}

}  // namespace headgate::server
