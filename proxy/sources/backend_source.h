#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "auth/pool_memory.h"
#include "auth/user_source.h"

namespace headgate::sources {

// Lets everybody in under the name given: the backend checks the password, or those of several
// pools do, one after the other.
class BackendSource : public auth::UserSource {
 public:
  // `pools` is shared with the other workers; null: there is one pool.
  explicit BackendSource(std::shared_ptr<auth::PoolMemory> pools = nullptr)
      : pools_(std::move(pools)) {}

  void look_up(const auth::LoginRequest& request, Callback done) override {
    done(explain(request.credentials.user));
  }
  auth::LookupResult explain(std::string_view user) override {
    auth::Route route;
    route.user = user;
    if (pools_) {
      route.trial = std::make_shared<auth::PoolTrial>(pools_, user);
    }
    return auth::Accepted{std::move(route)};
  }
  [[nodiscard]] std::string_view name() const override { return "backend"; }

 private:
  std::shared_ptr<auth::PoolMemory> pools_;
};

}  // namespace headgate::sources
