#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "auth/pool_memory.h"
#include "auth/user_source.h"

namespace headgate::auth {

// Lets everybody in under the name given: the backend checks the password, or those of several
// pools do, one after the other.
class BackendSource : public UserSource {
 public:
  // `pools` is shared with the other workers; null: there is one pool.
  explicit BackendSource(std::shared_ptr<PoolMemory> pools = nullptr) : pools_(std::move(pools)) {}

  void look_up(const LoginRequest& request, Callback done) override {
    done(explain(request.credentials.user));
  }
  LookupResult explain(std::string_view user) override {
    Route route;
    route.user = user;
    if (pools_) {
      route.trial = std::make_shared<PoolTrial>(pools_, user);
    }
    return Accepted{std::move(route)};
  }
  [[nodiscard]] std::string_view name() const override { return "backend"; }

 private:
  std::shared_ptr<PoolMemory> pools_;
};

}  // namespace headgate::auth
