#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <variant>

#include "auth/chain.h"
#include "auth/user_source.h"
#include "base/secret.h"
#include "net/channel_bindings.h"
#include "net/loop.h"
#include "proof/scram_decoys.h"

namespace headgate::auth {

using ExchangeAnswer = std::variant<Challenge, ChainResult>;

// One exchange of a mechanism that takes several rounds and is judged here or by a user source
// (RFC 4422): SCRAM, CRAM-MD5. Each round is take() and then answer(). It ends with the first
// ChainResult, which is never Known: that of Accepted has proven who it is.
class Exchange {
 public:
  using Callback = std::function<void(ExchangeAnswer)>;

  virtual ~Exchange() = default;  // callbacks that have not come by then never do

  // The client's next message; null: AUTHENTICATE came without one. Asks nobody.
  virtual void take(const Secret* message) = 0;
  // Who the client says it is, as far as its messages tell; else empty. Fit for Credentials.
  [[nodiscard]] virtual std::string_view user() const = 0;
  // Answers what was taken last. `done` is called once, on this thread, perhaps before answer()
  // returns, and may destroy this object. The credentials of `request` are the mechanism and
  // user(); all that it refers to must live until then. Again for the same message after AskAgain.
  virtual void answer(const LoginRequest& request, Callback done) = 0;
};

// Begins the exchanges of a worker. All that it is given must outlive it, and it the exchanges.
class Exchanges {
 public:
  // More hashes at a time than this are Unavailable at once: they would wait past any deadline.
  static constexpr std::size_t kMostHashing = 256;

  Exchanges(net::Loop& loop, Chain& chain, std::shared_ptr<proof::ScramDecoys> decoys);

  // `mechanism` in capitals, one that goes by_exchange(). `bindings`: what may tie the exchange to
  // its TLS connection; none: clients are not offered to tie it.
  [[nodiscard]] std::unique_ptr<Exchange> begin(std::string_view mechanism,
                                                net::ChannelBindings bindings);

 private:
  friend class StoredRounds;  // and its two kinds
  friend class ScramRounds;
  friend class CramRounds;

  net::Loop& loop_;
  Chain& chain_;
  std::shared_ptr<proof::ScramDecoys> decoys_;
  // Shared with the tasks, which may end when this object is gone.
  std::shared_ptr<std::size_t> hashing_ = std::make_shared<std::size_t>(0);
};

}  // namespace headgate::auth
