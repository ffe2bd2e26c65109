#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <vector>

#include "auth/user_source.h"
#include "net/timer_wheel.h"

namespace headgate::auth {

// Never UnknownHere: a user whom no source knows is Rejected{kWrongCredentials}, with the last
// source as the one that decided.
struct ChainResult {
  LookupResult result;
  std::size_t source = 0;  // index of the deciding source
};

// Asks user sources, those that can judge the credentials, in order until one knows the user. A
// source that cannot answer, or not within the deadline, ends the search as Unavailable: the next
// one might send the user to the wrong mailbox. One object per worker.
class Chain {
 public:
  using Callback = std::function<void(ChainResult)>;

  // At least one source. `deadline`: for each source's answer.
  Chain(net::TimerWheel& timers, std::vector<std::unique_ptr<UserSource>> sources,
        std::chrono::milliseconds deadline);
  ~Chain();  // tickets may outlive it, their callbacks then never come
  Chain(const Chain&) = delete;
  Chain& operator=(const Chain&) = delete;

  // A look-up under way. When it goes, the callback never comes.
  class Ticket {
   public:
    Ticket() = default;
    void cancel() { search_.reset(); }

   private:
    friend class Chain;
    struct Search;
    explicit Ticket(std::shared_ptr<Search> search) : search_(std::move(search)) {}
    std::shared_ptr<Search> search_;
  };

  // `done` is called at most once, on this thread, perhaps before look_up() returns. All that
  // `request` refers to must live until then or until the ticket goes.
  [[nodiscard]] Ticket look_up(const LoginRequest& request, Callback done);

  [[nodiscard]] const UserSource& source(std::size_t at) const { return *sources_[at]; }
  // Whether the source that is asked about such an exchange judges it itself.
  [[nodiscard]] bool judges_rounds(const dialogue::Credentials& credentials) const;

 private:
  net::TimerWheel& timers_;
  std::vector<std::unique_ptr<UserSource>> sources_;
  std::chrono::milliseconds deadline_;
  std::shared_ptr<const bool> alive_ = std::make_shared<const bool>(true);
};

}  // namespace headgate::auth
