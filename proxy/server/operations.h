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
#include "server/orders.h"
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
    std::function<Pools()> pools;               // as the workers go by them
    std::function<void()> orders_changed;       // apply() has another result now
    std::function<admin::StatusView()> status;  // what does not concern pools and orders
    std::function<std::expected<std::vector<std::string>, std::vector<std::string>>()> reload;
    std::function<std::expected<admin::ExplanationView, std::string>(const std::string& user,
                                                                     const IpAddress& client)>
        explain;
    const std::vector<std::unique_ptr<Worker>>* workers = nullptr;
  };

  // Reads the state file, if there is one; the error names it.
  static std::expected<std::unique_ptr<Operations>, std::string> create(Surroundings surroundings);
  ~Operations() override;
  Operations(const Operations&) = delete;
  Operations& operator=(const Operations&) = delete;

  // The workers run: sessions may be ended from now on.
  void begin();

  // The pools as names resolve, with what operators have ordered.
  [[nodiscard]] Pools apply(const Snapshot& snapshot, const Pools& resolved) const;

  [[nodiscard]] admin::StatusView status() override;
  [[nodiscard]] std::vector<admin::BackendView> backends() override;
  [[nodiscard]] std::expected<admin::SessionPage, admin::Problem> sessions(
      const admin::SessionQuery& query) override;
  std::expected<admin::Changed, admin::Problem> change(const std::string& pool,
                                                       const HostPort& backend,
                                                       const admin::BackendChange& change,
                                                       const std::string& by) override;
  std::expected<std::size_t, admin::Problem> kick(const admin::SessionFilter& filter,
                                                  const std::string& by) override;
  [[nodiscard]] std::vector<admin::PinView> pins() override;
  std::expected<admin::Pinned, admin::Problem> pin(const std::string& pool, const std::string& user,
                                                   const HostPort& backend, bool move,
                                                   const std::string& by) override;
  std::pair<std::size_t, std::string> unpin(const std::string& user) override;
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

  Operations(Surroundings surroundings, Orders orders);
  [[nodiscard]] BackendOrder ordered(const BackendOrder* before, const balance::Backend& backend,
                                     const admin::BackendChange& change,
                                     const std::string& by) const;
  std::string keep(const Orders& orders) const;
  void renew_leaving();
  void pace(const std::stop_token& stop);
  [[nodiscard]] bool end_some(Leaving& leaving) const;

  const Surroundings around_;
  mutable std::mutex mutex_;
  Orders orders_;  // guarded by mutex_, as is what follows
  std::vector<Leaving> leaving_;
  std::uint64_t changes_ = 0;  // how often leaving_ was made anew
  std::condition_variable_any news_;
  std::mutex changing_;  // one change at a time, state file included
  std::jthread pacer_;   // the last: it ends before the rest goes
};

}  // namespace headgate::server
