#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "load/bench.h"
#include "load/report.h"
#include "load/session.h"

namespace headgate::bench {

// Many sessions that are logged in first and then used; they are handed to a mode's Session::User,
// whose on_ready() and on_closed() the fleet hears before it.
class Fleet : public Session::User {
 public:
  // Users `first` to `first` + `count` - 1.
  Fleet(Bench& bench, Session::User& user, Report& report, unsigned count, unsigned first = 1);
  ~Fleet() override;

  // Runs the loop until all are logged in, a few at a time; false, and a failure in the report,
  // when one of them cannot or the time is up.
  bool log_in();
  // Opens or opens anew all sessions, at most `at_once` at a time, without waiting.
  void open_all(unsigned at_once);
  // From now on an end is no failure.
  void close_all();
  // From now on sessions whose connection ends are opened again at once; as many ends as there are
  // sessions are no failures. ready() and lost() count anew.
  void expect_ends();

  [[nodiscard]] std::size_t ready() const { return ready_; }
  [[nodiscard]] std::size_t lost() const { return lost_; }
  [[nodiscard]] std::size_t size() const { return sessions_.size(); }
  [[nodiscard]] const std::vector<std::unique_ptr<Session>>& sessions() const { return sessions_; }

 private:
  void on_ready(Session& session) override;
  void on_reply(Session& session, bool ok) override { user_.on_reply(session, ok); }
  void on_continue(Session& session) override { user_.on_continue(session); }
  void on_untagged(Session& session, std::string_view line) override {
    user_.on_untagged(session, line);
  }
  void on_drained(Session& session) override { user_.on_drained(session); }
  void on_closed(Session& session, std::string_view reason) override;
  void open_next();

  Bench& bench_;
  Session::User& user_;
  Report& report_;
  std::vector<std::unique_ptr<Session>> sessions_;
  std::size_t next_ = 0;  // to open
  std::size_t ready_ = 0;
  std::size_t lost_ = 0;
  std::size_t expected_ends_ = 0;
};

}  // namespace headgate::bench
