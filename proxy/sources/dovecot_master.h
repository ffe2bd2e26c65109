#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "auth/user_source.h"
#include "base/address.h"
#include "sources/directory.h"

namespace headgate::sources {

// What Dovecot's passdbs say of a user without a password: a question over its master socket. Asks
// within `timeout`, and blocks for it: for `headgate explain`. Unavailable: no answer, or a passdb
// that cannot say without a password.
auth::LookupResult ask_dovecot_master(const SocketAddress& server, std::string_view service,
                                      std::string_view user, std::chrono::milliseconds timeout);

// The same as a user source: where the user goes, and nothing about the password, which the backend
// checks. So nothing of the answer that would let somebody in is taken: no password, no master
// user.
class DovecotMasterDirectory : public Directory {
 public:
  struct Shared {
    SocketAddress server;
    std::string service;
    std::chrono::milliseconds timeout;
  };
  explicit DovecotMasterDirectory(std::shared_ptr<const Shared> shared)
      : shared_(std::move(shared)) {}

  auth::LookupResult look_up(const auth::LoginRequest& request, Asker& asker) override {
    return explain(request.credentials.user, asker);
  }
  auth::LookupResult explain(std::string_view user, Asker& asker) override;
  void interrupt() noexcept override {}  // a question has an end of its own

 private:
  const std::shared_ptr<const Shared> shared_;
};

}  // namespace headgate::sources
