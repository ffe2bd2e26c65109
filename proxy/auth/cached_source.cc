#include "auth/cached_source.h"

#include <utility>
#include <variant>

namespace headgate::auth {

using metrics::CacheResult;

CachedSource::CachedSource(std::unique_ptr<UserSource> source, std::shared_ptr<LookupCache> cache,
                           metrics::SourceMetrics& metrics)
    : source_(std::move(source)), cache_(std::move(cache)), metrics_(metrics) {}

void CachedSource::look_up(const LoginRequest& request, Callback done) {
  // A proof is good once, a token may end sooner, and whose a certificate is stands in no question.
  if (request.round || request.credentials.by_token() || request.credentials.by_certificate()) {
    source_->look_up(request, std::move(done));
    return;
  }
  LookupCache::Question question = cache_->question(request);
  if (auto known = cache_->find(question)) {
    metrics_.count(std::holds_alternative<Accepted>(*known) ? CacheResult::kHit
                                                            : CacheResult::kNegativeHit);
    done(*std::move(known));
    return;
  }
  metrics_.count(CacheResult::kMiss);
  source_->look_up(request, [cache = cache_, question = std::move(question),
                             done = std::move(done)](LookupResult result) {
    cache->learn(question, result);
    done(std::move(result));
  });
}

}  // namespace headgate::auth
