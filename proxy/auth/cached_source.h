#pragma once

#include <memory>
#include <string_view>

#include "auth/lookup_cache.h"
#include "auth/user_source.h"
#include "metrics/worker_metrics.h"

namespace headgate::auth {

// Stands before a source and answers from its cache where it can.
class CachedSource : public UserSource {
 public:
  // `metrics` must outlive it; `cache` is shared with the other workers.
  CachedSource(std::unique_ptr<UserSource> source, std::shared_ptr<LookupCache> cache,
               metrics::SourceMetrics& metrics);

  void look_up(const LoginRequest& request, Callback done) override;
  [[nodiscard]] bool takes(const dialogue::Credentials& credentials) const override {
    return source_->takes(credentials);
  }
  [[nodiscard]] bool judges_rounds() const override { return source_->judges_rounds(); }
  LookupResult explain(std::string_view user) override { return source_->explain(user); }
  [[nodiscard]] std::string_view name() const override { return source_->name(); }

 private:
  std::unique_ptr<UserSource> source_;
  std::shared_ptr<LookupCache> cache_;
  metrics::SourceMetrics& metrics_;
};

}  // namespace headgate::auth
