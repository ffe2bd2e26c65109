#include "auth/chain.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace headgate::auth {

// One look-up under way, owned by its ticket. Sources hold it weakly: an answer that comes after
// the ticket went, or after the deadline, finds nobody.
struct Chain::Ticket::Search : std::enable_shared_from_this<Chain::Ticket::Search> {
  Search(Chain& chain, const LoginRequest& login, Callback callback)
      : owner(&chain), alive(chain.alive_), request(login), done(std::move(callback)) {}

  // Asks the source at `at`, or the next one that can judge such credentials.
  void ask() {
    while (at < owner->sources_.size() && !owner->sources_[at]->takes(request.credentials)) {
      ++at;
    }
    if (at == owner->sources_.size()) {
      --at;
      finish(Rejected{dialogue::LoginFailure::kWrongCredentials});
      return;
    }
    owner->timers_.arm(timer, net::to_ms(owner->deadline_));
    owner->sources_[at]->look_up(request,
                                 [search = weak_from_this(), asked = at](LookupResult result) {
                                   if (const auto still = search.lock()) {
                                     still->answer(asked, std::move(result));
                                   }
                                 });
  }

  void answer(std::size_t asked, LookupResult result) {
    if (asked != at || finished || alive.expired()) {
      return;
    }
    if (!std::holds_alternative<UnknownHere>(result)) {
      finish(std::move(result));
    } else {
      ++at;
      ask();
    }
  }

  void finish(LookupResult result) {
    finished = true;
    timer.cancel();
    const auto callback = std::exchange(done, nullptr);
    callback({std::move(result), at});
  }

  static void on_deadline(void* self) noexcept {
    // The callback may let go of the ticket.
    const auto search = static_cast<Search*>(self)->shared_from_this();
    if (!search->finished && !search->alive.expired()) {
      search->finish(Unavailable{fmt::format("source {} ({}): no answer within {} ms", search->at,
                                             search->owner->sources_[search->at]->name(),
                                             search->owner->deadline_.count())});
    }
  }

  Chain* owner;
  std::weak_ptr<const bool> alive;  // expired: the chain is gone
  LoginRequest request;
  Callback done;
  std::size_t at = 0;
  bool finished = false;
  net::Timer timer{this, on_deadline};
};

Chain::Chain(net::TimerWheel& timers, std::vector<std::unique_ptr<UserSource>> sources,
             std::chrono::milliseconds deadline)
    : timers_(timers), sources_(std::move(sources)), deadline_(deadline) {}

Chain::~Chain() = default;

Chain::Ticket Chain::look_up(const LoginRequest& request, Callback done) {
  auto search = std::make_shared<Ticket::Search>(*this, request, std::move(done));
  search->ask();
  return Ticket(std::move(search));
}

bool Chain::judges_rounds(const dialogue::Credentials& credentials) const {
  const auto asked = std::ranges::find_if(
      sources_, [&](const auto& source) { return source->takes(credentials); });
  return asked != sources_.end() && (*asked)->judges_rounds();
}

}  // namespace headgate::auth
