#include "auth/exchange.h"

#include <utility>

#include "auth/passed_rounds.h"
#include "auth/stored_rounds.h"

namespace headgate::auth {
namespace {

class StoredExchange final : public Exchange {
 public:
  explicit StoredExchange(std::shared_ptr<StoredRounds> rounds) : rounds_(std::move(rounds)) {}

  void take(const Secret* message) override { rounds_->take(message); }
  [[nodiscard]] std::string_view user() const override { return rounds_->user(); }
  void answer(const LoginRequest& request, Callback done) override {
    const auto rounds = rounds_;  // the callback may end the exchange
    rounds->answer(request, std::move(done));
  }

 private:
  std::shared_ptr<StoredRounds> rounds_;
};

}  // namespace

Exchanges::Exchanges(net::Loop& loop, Chain& chain, std::shared_ptr<proof::ScramDecoys> decoys)
    : loop_(loop), chain_(chain), decoys_(std::move(decoys)) {}

std::unique_ptr<Exchange> Exchanges::begin(std::string_view mechanism,
                                           net::ChannelBindings bindings) {
  const dialogue::Credentials credentials{
      .mechanism = std::string(mechanism), .user = {}, .secret = {}};
  if (chain_.judges_rounds(credentials)) {
    return std::make_unique<PassedRounds>(chain_, mechanism);
  }
  if (mechanism == "CRAM-MD5") {
    return std::make_unique<StoredExchange>(std::make_shared<CramRounds>(*this));
  }
  return std::make_unique<StoredExchange>(
      std::make_shared<ScramRounds>(*this, mechanism, std::move(bindings)));
}

}  // namespace headgate::auth
