#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "auth/user_source.h"
#include "base/address.h"
#include "net/loop.h"
#include "net/timer_wheel.h"
#include "sources/dovecot_auth_connection.h"
#include "sources/lookup_server.h"
#include "sources/name_cache.h"

namespace headgate::sources {

struct DovecotAuthOptions {
  std::vector<SocketAddress> servers;        // at least one; asked in this order
  unsigned connections = 2;                  // at most, of each worker to each server
  std::chrono::milliseconds timeout{10000};  // for an answer, whichever servers are asked
  // Until the next server is asked as well where one is late with an answer; 0: never.
  std::chrono::milliseconds hedge_after{2500};
  std::string service = "imap";         // what Dovecot takes its settings by
  bool checks_passwords = false;        // false: it may let in whoever gives any password
  bool tokens = false;                  // it checks XOAUTH2 and OAUTHBEARER as well
  bool external = false;                // it judges certificates of clients as well
  bool route_only = false;              // the master socket says where users go, and that is all
  std::optional<SocketAddress> master;  // answers without a password, for explain
  std::vector<std::string> mechanisms;  // that a service has to offer: what clients are offered
  // Backends that stand in a pool: their names are resolved there.
  std::vector<HostPort> known_backends;
};

// What the workers' sources share: the servers and how they fare.
struct DovecotAuthServers {
  explicit DovecotAuthServers(std::shared_ptr<const DovecotAuthOptions> wanted);
  void resolve();  // blocks

  struct Server {
    explicit Server(const SocketAddress& address) : state(address) {}
    LookupServer state;
    std::atomic<bool> described{false};  // the log knows which mechanisms it lacks
  };
  const std::shared_ptr<const DovecotAuthOptions> options;
  std::vector<std::unique_ptr<Server>> servers;
};

// By the master socket; Unavailable where there is none, since the other ones have no question
// without a password. Blocks.
auth::LookupResult explain_dovecot_auth(const DovecotAuthOptions& options, std::string_view user);

// Asks Dovecot's auth service whether the user may in and, by the passdb's proxy fields, where the
// mailbox lives. Passwords and tokens that are at hand go in one message; the rounds of any other
// mechanism are passed through. A login whose connection is lost is asked again on another one, and
// of the next server where there is one; a server that failed rests, and while it does, probes are
// sent there beside the login that they are a copy of.
class DovecotAuthSource final : public auth::UserSource {
 public:
  // All but `servers` must outlive it; the loop must turn once more after it has gone.
  DovecotAuthSource(net::Loop& loop, net::TimerWheel& timers,
                    std::shared_ptr<DovecotAuthServers> servers);
  ~DovecotAuthSource() override;

  void look_up(const auth::LoginRequest& request, Callback done) override;
  [[nodiscard]] bool takes(const dialogue::Credentials& credentials) const override;
  [[nodiscard]] bool judges_rounds() const override { return true; }
  auth::LookupResult explain(std::string_view user) override {
    return explain_dovecot_auth(*servers_->options, user);
  }
  [[nodiscard]] std::string_view name() const override { return "dovecot_auth"; }

 private:
  class LookUp;
  class Passing;
  // A server, as this worker sees it.
  struct Service {
    std::vector<DovecotAuthConnection::Ptr> connections;
    bool probing = false;  // what it does next says whether it is back
  };

  void begin(const auth::LoginRequest& request, std::vector<std::size_t> servers,
             std::uint64_t deadline_ms, Callback done);
  LookUp* find(std::uint64_t id);
  void erase(std::uint64_t id);
  void give_up(std::uint64_t id);
  // The one that has least to do; null: there is none, and why.
  std::expected<DovecotAuthConnection*, std::string> connection_to(std::size_t server);
  std::expected<UniqueFd, std::string> connect(std::size_t server);
  void on_ended(std::size_t server, DovecotAuthConnection& connection, DovecotAuthEnd end,
                const std::string& why);
  void describe(std::size_t server, const DovecotAuthConnection& connection);
  void note_answer(std::size_t server);
  void blame(std::size_t server, const std::string& why);
  [[nodiscard]] std::int64_t now_ms() const { return static_cast<std::int64_t>(loop_.now_ms()); }

  net::Loop& loop_;
  net::TimerWheel& timers_;
  std::shared_ptr<DovecotAuthServers> servers_;
  NameCache names_;
  std::vector<Service> services_;  // as servers_->servers
  std::uint64_t last_id_ = 0;
  std::map<std::uint64_t, std::unique_ptr<LookUp>> look_ups_;  // go before the connections
  std::shared_ptr<DovecotAuthSource*> self_ = std::make_shared<DovecotAuthSource*>(this);
};

}  // namespace headgate::sources
