#pragma once

#include <condition_variable>
#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "admin/control.h"
#include "balance/user_table.h"
#include "metrics/move_figures.h"
#include "server/discovery.h"
#include "server/operations/mover.h"
#include "server/operations/orders.h"
#include "server/snapshot.h"
#include "server/worker.h"

namespace headgate::server {

// What operators do to the running server: looks at its sessions and backends, takes backends out
// and back in, ends sessions. Keeps what they have ordered, in a file where one is configured, and
// ends the sessions of backends that users are to leave, at the rate that was ordered, on a thread
// of its own. Any thread.
class Operations final : public admin::Control {
 public:
  // The server around it; everything outlives it.
  struct Surroundings {
    std::function<std::shared_ptr<const Snapshot>()> snapshot;
    std::function<Pools()> pools;          // as the workers go by them
    std::function<Discovery()> discovery;  // the newest
    // apply() has another result now; returns when the workers go by it, or with a warning for
    // the operator: one does not yet.
    std::function<std::string()> orders_changed;
    std::function<admin::StatusView()> status;  // what does not concern pools and orders
    std::function<std::expected<std::vector<std::string>, std::vector<std::string>>()> reload;
    std::function<std::expected<admin::ExplanationView, std::string>(const std::string& user,
                                                                     const IpAddress& client)>
        explain;
    const balance::UserTable* users = nullptr;
    const std::vector<std::unique_ptr<Worker>>* workers = nullptr;
  };

  // Reads the state file, if there is one; the error names it.
  static std::expected<std::unique_ptr<Operations>, std::string> create(Surroundings surroundings);
  ~Operations() override;
  Operations(const Operations&) = delete;
  Operations& operator=(const Operations&) = delete;

  // The workers are there: sessions may be ended from now on, and users are held again.
  void begin();

  // The pools as names resolve, with what operators have ordered.
  [[nodiscard]] Pools apply(const Snapshot& snapshot, const Pools& resolved) const;

  [[nodiscard]] admin::StatusView status() override;
  [[nodiscard]] std::vector<admin::PoolView> pools() override;  // operations_pools.cc, as status()
  [[nodiscard]] std::vector<admin::BackendView> backends() override;
  [[nodiscard]] std::expected<admin::SessionPage, admin::Problem> sessions(
      const admin::SessionQuery& query) override;
  std::expected<admin::Changed, admin::Problem> change(const std::string& pool,
                                                       const HostPort& backend,
                                                       const admin::BackendChange& change,
                                                       const std::string& by) override;
  std::expected<std::size_t, admin::Problem> kick(const admin::SessionFilter& filter,
                                                  const std::string& by) override;
  [[nodiscard]] admin::PinPage pins(const admin::PinQuery& query) override;
  std::expected<admin::Pinned, admin::Problem> pin(const std::string& pool, const std::string& user,
                                                   const HostPort& backend,
                                                   const std::string& by) override;
  std::pair<std::size_t, std::string> unpin(const std::string& user) override;
  // operations_moves.cc
  std::expected<admin::MoveStarted, admin::Problem> move(const admin::MoveRequest& request,
                                                         const std::string& by) override;
  [[nodiscard]] admin::MovePage moves(std::uint64_t before, std::size_t limit) override;
  [[nodiscard]] std::expected<admin::MovedUserPage, admin::Problem> moved_users(
      std::uint64_t move, const std::string& state, std::size_t first, std::size_t limit) override;
  std::expected<admin::MoveTold, admin::Problem> tell_move(std::uint64_t move,
                                                           admin::MoveWord word) override;
  std::expected<admin::MoveTold, admin::Problem> tell_move_of(const std::string& user,
                                                              admin::MoveWord word) override;
  [[nodiscard]] metrics::MoveFigures move_figures() const { return mover_->figures(); }

  std::expected<std::vector<std::string>, std::vector<std::string>> reload() override {
    return around_.reload();
  }
  [[nodiscard]] std::expected<admin::ExplanationView, std::string> explain(
      const std::string& user, const IpAddress& client) override {
    return around_.explain(user, client);
  }

 private:
  // A backend whose sessions are being ended.
  struct Leaving {
    std::string pool;
    HostPort backend;
    std::shared_ptr<balance::BackendState> state;
    unsigned rate = 0;
    double credit = 0;            // sessions that may be ended by now
    std::uint64_t before_ms = 0;  // only sessions accepted before
    std::string by;
    // Nobody accepted before is still logging in from then on: when those are gone, it is done.
    std::uint64_t settled_ms = 0;
  };

  Operations(Surroundings surroundings, Orders orders, MoveLog moves);
  [[nodiscard]] BackendOrder ordered(const BackendOrder* before, const balance::Backend& backend,
                                     const admin::BackendChange& change,
                                     const std::string& by) const;
  std::string keep(const Orders& orders) const;
  [[nodiscard]] Mover::Surroundings mover_surroundings();
  void change_pins(std::vector<PinChange>& changes, const std::function<void()>& note);
  [[nodiscard]] std::string kept() const;
  [[nodiscard]] std::string place_of(std::size_t pool, const balance::BackendSet& set,
                                     const std::string& user) const;
  std::expected<std::size_t, admin::Problem> find_users(const admin::MoveRequest& request,
                                                        std::size_t pool, MoveOrder& order) const;
  std::expected<admin::MoveTold, admin::Problem> told(
      std::expected<Mover::Concerned, admin::Problem> concerned, bool wait);

  void renew_leaving();
  void pace(const std::stop_token& stop);
  [[nodiscard]] bool end_some(Leaving& leaving) const;

  const Surroundings around_;
  mutable std::mutex mutex_;
  Orders orders_;  // guarded by mutex_, as is what follows
  std::vector<Leaving> leaving_;
  std::map<Orders::Key, std::uint64_t> left_;  // Leaving::before_ms of those that are done
  std::uint64_t changes_ = 0;                  // how often leaving_ was made anew
  std::condition_variable_any news_;
  mutable std::mutex changing_;  // one change at a time, state file included
  std::optional<Mover> mover_;
  std::jthread pacer_;  // the last: it ends before the rest goes
};

}  // namespace headgate::server
