#include "sources/dovecot_auth_source.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <random>
#include <utility>

#include "base/log.h"
#include "net/socket.h"
#include "sources/dovecot_auth_look_up.h"
#include "sources/dovecot_master.h"

namespace headgate::sources {
namespace {

// Look-ups under way at which no more exchanges are begun. Of a worker; those whose clients have
// their turn count as well, and are all that no other bound holds for.
constexpr std::size_t kMostUnderWay = 1000;

// Not 0, and another one for each connection of all processes that use the service.
std::uint32_t random_client_id() {
  static thread_local std::mt19937 random{std::random_device{}()};
  return std::uniform_int_distribution<std::uint32_t>(1, 0x7fffffff)(random);
}

}  // namespace

DovecotAuthServers::DovecotAuthServers(std::shared_ptr<const DovecotAuthOptions> wanted)
    : options(std::move(wanted)) {
  for (const SocketAddress& address : options->servers) {
    servers.push_back(std::make_unique<Server>(address));
  }
}

void DovecotAuthServers::resolve() {
  for (const auto& server : servers) {
    server->state.resolve();
  }
}

auth::LookupResult explain_dovecot_auth(const DovecotAuthOptions& options, std::string_view user) {
  if (!options.master) {
    return auth::Unavailable{
        "Dovecot's auth service answers only with the user's password, and dovecot_auth.master "
        "is not set"};
  }
  return ask_dovecot_master(*options.master, options.service, user, options.timeout);
}

DovecotAuthSource::DovecotAuthSource(net::Loop& loop, net::TimerWheel& timers,
                                     std::shared_ptr<DovecotAuthServers> servers)
    : loop_(loop),
      timers_(timers),
      servers_(std::move(servers)),
      names_(loop),
      services_(servers_->servers.size()) {}

DovecotAuthSource::~DovecotAuthSource() {
  *self_ = nullptr;
  const auto gone = std::exchange(look_ups_, {});
}

bool DovecotAuthSource::takes(const dialogue::Credentials& credentials) const {
  return credentials.by_password() || credentials.by_exchange() ||
         (credentials.by_token() && servers_->options->tokens) ||
         (credentials.by_certificate() && servers_->options->external);
}

// The servers that work in their order, then those that rest: better asked than nobody.
void DovecotAuthSource::look_up(const auth::LoginRequest& request, Callback done) {
  if (request.round && request.round->conversation) {
    const auto* passing = dynamic_cast<const Passing*>(request.round->conversation.get());
    LookUp* look_up = passing != nullptr ? find(passing->id()) : nullptr;
    if (look_up != nullptr) {
      look_up->go_on(*request.round, std::move(done));
    } else {
      done(auth::Rejected{.failure = dialogue::LoginFailure::kLookupUnavailable,
                          .detail = "no such exchange is under way"});
    }
    return;
  }
  if (request.credentials.by_exchange() && !request.round) {
    // A reload has made the session ask again. Nothing is known here of what is stored.
    done(auth::Rejected{.failure = dialogue::LoginFailure::kLookupUnavailable,
                        .detail = "the configuration changed in the middle of the login"});
    return;
  }
  if (request.round && look_ups_.size() >= kMostUnderWay) {
    done(auth::Rejected{.failure = dialogue::LoginFailure::kLookupUnavailable,
                        .detail = "too many exchanges are under way"});
    return;
  }
  std::vector<std::size_t> usable;
  std::vector<std::size_t> resting;
  std::vector<std::size_t> probes;
  for (std::size_t at = 0; at < services_.size(); ++at) {
    switch (servers_->servers[at]->state.turn(now_ms(), servers_->options->timeout)) {
      case LookupServer::Turn::kUsable:
        usable.push_back(at);
        break;
      case LookupServer::Turn::kResting:
        resting.push_back(at);
        break;
      case LookupServer::Turn::kProbe:
        probes.push_back(at);
        services_[at].probing = true;
        break;
    }
  }
  if (usable.empty()) {
    usable = std::exchange(probes, {});
  }
  const std::uint64_t deadline_ms = loop_.now_ms() + net::to_ms(servers_->options->timeout);
  for (const std::size_t probe : probes) {
    begin(request, {probe}, deadline_ms, [](const auth::LookupResult&) {});
  }
  usable.insert(usable.end(), resting.begin(), resting.end());
  begin(request, std::move(usable), deadline_ms, std::move(done));
}

void DovecotAuthSource::begin(const auth::LoginRequest& request, std::vector<std::size_t> servers,
                              std::uint64_t deadline_ms, Callback done) {
  const std::uint64_t id = ++last_id_;
  const auto [at, fresh] = look_ups_.emplace(
      id, std::make_unique<LookUp>(*this, id, request, std::move(servers), std::move(done)));
  at->second->start(deadline_ms);
}

DovecotAuthSource::LookUp* DovecotAuthSource::find(std::uint64_t id) {
  const auto found = look_ups_.find(id);
  return found != look_ups_.end() ? found->second.get() : nullptr;
}

void DovecotAuthSource::erase(std::uint64_t id) {
  const auto gone = look_ups_.extract(id);  // its end may erase another one
}

void DovecotAuthSource::give_up(std::uint64_t id) {
  if (LookUp* look_up = find(id); look_up != nullptr && look_up->with_client()) {
    erase(id);
  }
}

std::expected<DovecotAuthConnection*, std::string> DovecotAuthSource::connection_to(
    std::size_t server) {
  std::vector<DovecotAuthConnection::Ptr>& all = services_[server].connections;
  const auto best =
      std::ranges::min_element(all, {}, [](const auto& each) { return each->pending(); });
  if (best != all.end() &&
      ((*best)->pending() == 0 || all.size() >= servers_->options->connections)) {
    return best->get();
  }
  auto fd = connect(server);
  if (!fd) {
    blame(server, fd.error());
    return std::unexpected(std::move(fd.error()));
  }
  all.push_back(DovecotAuthConnection::open(
      loop_, *std::move(fd), random_client_id(),
      [this, server](DovecotAuthConnection& connection, DovecotAuthEnd end,
                     const std::string& why) { on_ended(server, connection, end, why); }));
  return all.back().get();
}

std::expected<UniqueFd, std::string> DovecotAuthSource::connect(std::size_t server) {
  const LookupServer& state = servers_->servers[server]->state;
  std::expected<UniqueFd, int> fd;
  if (!state.address().path.empty()) {
    fd = net::connect_unix(state.address().path);
  } else {
    const std::vector<Endpoint> addresses = state.addresses();
    if (addresses.empty()) {
      return std::unexpected("its name does not resolve");
    }
    fd = net::connect_tcp(addresses.front());
  }
  if (!fd) {
    return std::unexpected(fmt::format("connect: {}", std::strerror(fd.error())));
  }
  return *std::move(fd);
}

void DovecotAuthSource::on_ended(std::size_t server, DovecotAuthConnection& connection,
                                 DovecotAuthEnd end, const std::string& why) {
  // A service that is restarted closes its connections: that is no fault of its.
  if (end != DovecotAuthEnd::kClosed) {
    blame(server, why);
  }
  std::erase_if(services_[server].connections,
                [&](const auto& each) { return each.get() == &connection; });
}

// Clients are offered what is configured; a service that lacks some of it refuses them.
void DovecotAuthSource::describe(std::size_t server, const DovecotAuthConnection& connection) {
  DovecotAuthServers::Server& one = *servers_->servers[server];
  if (one.described.exchange(true, std::memory_order_relaxed)) {
    return;
  }
  for (const std::string& mechanism : servers_->options->mechanisms) {
    if (!connection.offers(mechanism)) {
      log::warning("auth service lacks a mechanism that clients are offered",
                   {{"server", one.state.name()}, {"mechanism", mechanism}});
    }
  }
}

void DovecotAuthSource::note_answer(std::size_t server) {
  LookupServer& state = servers_->servers[server]->state;
  services_[server].probing = false;
  if (state.note_success()) {
    log::info("lookup server answers again", {{"server", state.name()}});
  }
}

void DovecotAuthSource::blame(std::size_t server, const std::string& why) {
  LookupServer& state = servers_->servers[server]->state;
  state.rotate();
  const bool probe = std::exchange(services_[server].probing, false);
  const auto level =
      state.note_failure(now_ms(), probe) ? log::Level::kWarning : log::Level::kDebug;
  if (log::enabled(level)) {
    log::write(level, "lookup server failed", {{"server", state.name()}, {"error", why}});
  }
}

}  // namespace headgate::sources
