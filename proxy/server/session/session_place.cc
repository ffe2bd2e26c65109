#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "server/session/login.h"
#include "server/session/session.h"
#include "server/session/user_place.h"
#include "server/worker.h"

// Which backend a session goes to, so that all simultaneous sessions of a user are at one.
namespace headgate::server {
namespace {

using balance::BackendSet;
using balance::UserTable;
using dialogue::LoginFailure;

// The set that has the backend a source has named: the pool's, or one of that address alone, which
// is nobody else's.
std::shared_ptr<const BackendSet> set_with(const std::shared_ptr<const BackendSet>& set,
                                           const HostPort& address,
                                           const std::vector<Endpoint>& endpoints) {
  if (std::ranges::find(set->backends, address, &balance::Backend::address) !=
      set->backends.end()) {
    return set;
  }
  balance::Backend backend;
  backend.address = address;
  backend.hash = balance::backend_key(address);
  backend.state = std::make_shared<balance::BackendState>();
  backend.endpoints = endpoints;
  if (auto literal = Endpoint::parse(address.to_string())) {
    backend.endpoints.assign(1, *literal);
  }
  auto alone = std::make_shared<BackendSet>();
  alone->pool = set->pool;
  alone->lost_rate = set->lost_rate;
  alone->backends.push_back(std::move(backend));
  balance::prepare(*alone);
  return alone;
}

Placement::Choice named(const BackendSet& set, const HostPort& address) {
  const auto found = std::ranges::find(set.backends, address, &balance::Backend::address);
  return {static_cast<std::uint32_t>(found - set.backends.begin()), true, std::nullopt};
}

bool any_full(const BackendSet& set) {
  return std::ranges::any_of(set.backends, balance::is_full);
}

}  // namespace

// Whether other sessions of the user are at a backend that a reload has brought since this attempt
// began: it must go there, too.
bool Session::outrun_by_reload() const {
  const Login& login = *login_;
  if (login.generation == worker_.generation()) {
    return false;
  }
  const auto place =
      worker_.users().find(snapshot().placement.identity(login.pool, login.route.user));
  return place && !index_of(*login.generation->pools[login.pool], place->backend);
}

// The same when DNS has brought the backend, and so only a newer set knows it.
bool Session::outrun_by_new_set() const {
  const Login& login = *login_;
  return !login.route.backend &&
         index_of(*login.generation->pools[login.pool], lease_.backend).has_value();
}

// 0: any number.
std::uint32_t Session::most_sessions_of_user() const {
  return login_->route.max_sessions.value_or(snapshot().config.limits.sessions_per_user);
}

// What the log is told of a limit in the way, beside which one it is.
std::string Session::limit_detail(LoginFailure failure) const {
  const auto& own = login_->route.max_sessions;
  return failure == LoginFailure::kUserLimit && own
             ? fmt::format("the user source allows {} sessions", *own)
             : std::string("no place for the session");
}

// Empty: there is a place, and login.search begins there.
std::optional<LoginFailure> Session::find_place(const Routed& routed) {
  Login& login = *login_;
  const config::Config& config = snapshot().config;
  if (snapshot().limits->pool_full(login.pool)) {
    return LoginFailure::kPoolFull;
  }
  const Placement& placement = snapshot().placement;
  const auto& pool = login.generation->pools[login.pool];
  const auto set = routed.backend ? set_with(pool, *routed.backend, login.route.addresses) : pool;
  const std::string& user = login.route.user;
  const balance::Request request =
      placement.request(login.pool, *set, user, client_endpoint_.ip, worker_.random(),
                        static_cast<std::int64_t>(worker_.loop().now_ms()));
  const Placement::Choice choice = routed.backend
                                       ? named(*set, *routed.backend)
                                       : placement.choose(login.pool, *set, user, request);
  const bool home_at_once = config.pools[login.pool].failback == config::Failback::kAtOnce;
  // Where a session may give way the limit is looked at when the backend has let the user in.
  const std::uint32_t limit =
      config.limits.over_user_limit == config::OverUserLimit::kRefuse ? most_sessions_of_user() : 0;
  std::optional<LoginFailure> refused;
  const auto joined = worker_.users().join(
      placement.identity(login.pool, user), [&](const UserTable::Place* place) {
        // What is certain to be refused at the end is not worth the backend's while.
        if (place != nullptr && limit != 0 && place->established >= limit) {
          refused = LoginFailure::kUserLimit;
          return std::optional<UserTable::Decision>();
        }
        const auto decision = decide_place(*set, place, choice, request, home_at_once);
        if (decision && balance::is_full(set->backends[*index_of(*set, decision->backend)])) {
          refused = LoginFailure::kBackendsFull;
          return std::optional<UserTable::Decision>();
        }
        return decision;
      });
  if (!joined) {
    return refused ? *refused
                   : (any_full(*set) ? LoginFailure::kBackendsFull : LoginFailure::kNoBackend);
  }
  lease_ = joined->lease;
  if (joined->left_some) {
    end_left_behind();
  }
  const std::uint32_t first = index_of(*set, lease_.backend).value();
  login.search = choice.only ? BackendSearch(set, balance::Candidates{.order = {first}})
                             : BackendSearch(set, first, request);
  return std::nullopt;
}

// The next attempt is at another backend than the last one: the user's place moves along, or has
// moved somewhere else meanwhile with another session of the user.
BackendSearch::Attempt Session::follow_user(BackendSearch::Attempt attempt) {
  BackendSearch& search = login_->search;
  const std::uint64_t wanted = search.backend(attempt.backend).hash;
  // Each round in which the table says something else, another session has moved the user.
  while (lease_.backend != wanted) {
    const auto moved = worker_.users().move(lease_, wanted);
    if (moved.left_some) {
      end_left_behind();
    }
    if (moved.backend == wanted) {
      break;
    }
    const auto index = index_of(*search.set(), moved.backend);
    if (const auto other = index ? search.instead(*index) : std::nullopt) {
      return {other->backend, other->endpoint, attempt.new_round};
    }
  }
  return attempt;
}

// Whether the user stays with a backend that failed so, and the login fails: it has answered, and
// other sessions of the user live there, which would have to end if this one went elsewhere.
bool Session::keeps_user(LoginFailure failure) const {
  if (failure != LoginFailure::kBackendUnavailable && failure != LoginFailure::kBackendProtocol &&
      failure != LoginFailure::kBackendMisconfigured) {
    return false;
  }
  const auto place = worker_.users().find(lease_.user);
  return place && place->established != 0;
}

// The backend has let the session in: it counts from now on. False: it is not to stay there, and
// something else has begun.
bool Session::establish() {
  Login& login = *login_;
  switch (worker_.users().establish(lease_, most_sessions_of_user())) {
    case UserTable::Establish::kYes: {
      const auto refused =
          snapshot().limits->take(share_, listener_, login.pool, client_endpoint_.ip, lease_.user,
                                  login.route.max_sessions.has_value());
      if (!refused) {
        return true;
      }
      give_up_backend();
      fail_login(*refused, {});
      return false;
    }
    case UserTable::Establish::kOverLimit:
      if (!ask_for_room()) {
        refuse_for_user_limit(limit_detail(LoginFailure::kUserLimit));
      }
      return false;
    case UserTable::Establish::kElsewhere:
      break;
  }
  // Other sessions of the user were quicker somewhere else.
  give_up_backend();
  const auto set = login.search.set();
  const auto index = index_of(*set, lease_.backend);
  if (!index && (take_terms_in_force() || outrun_by_new_set())) {
    ask_sources();  // they are at a backend that a reload or DNS has brought
    return false;
  }
  login.search =
      index ? BackendSearch(set, balance::Candidates{.order = {*index}}) : BackendSearch();
  next_attempt();
  return false;
}

void Session::give_up_backend() {
  login_->pause.cancel();
  login_->backend.reset();
  pool_->backends[backend_index_].state->sessions.fetch_sub(1, std::memory_order_relaxed);
  pool_ = nullptr;
}

void Session::end_left_behind() {
  worker_.end_left_behind(lease_.user, lease_.epoch);
}

}  // namespace headgate::server
