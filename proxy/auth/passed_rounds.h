#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "auth/chain.h"
#include "auth/exchange.h"

namespace headgate::auth {

// Who a message is from, where its mechanism tells that in the clear; else empty. Fit for
// Credentials.
std::string user_in_message(std::string_view mechanism, std::string_view message);

// An exchange whose rounds a user source judges: they go there as they come, at most kMost of them.
class PassedRounds final : public Exchange {
 public:
  static constexpr unsigned kMost = 16;  // far more than any mechanism takes

  PassedRounds(Chain& chain, std::string_view mechanism) : chain_(chain), mechanism_(mechanism) {}

  void take(const Secret* message) override;
  [[nodiscard]] std::string_view user() const override { return user_; }
  void answer(const LoginRequest& request, Callback done) override;

 private:
  void on_answer(ChainResult& found, const Callback& done);

  Chain& chain_;
  const std::string mechanism_;
  std::string user_;
  unsigned rounds_ = 0;
  std::shared_ptr<const Round> round_;
  std::shared_ptr<Conversation> conversation_;
  Chain::Ticket ticket_;
  std::shared_ptr<const bool> alive_ = std::make_shared<const bool>(true);
};

}  // namespace headgate::auth
