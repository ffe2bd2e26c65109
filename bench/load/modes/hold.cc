#include <fmt/format.h>

#include <algorithm>
#include <string>

#include "common/clock.h"
#include "load/fleet.h"
#include "load/modes/modes.h"

namespace headgate::bench {
namespace {

// Memory of the proxy before and with all sessions, which sit in IDLE meanwhile; --bulk-kb lets
// each fetch a message first. A few sessions come and go before the first reading, so that what a
// proxy allocates once is not counted as a session's.
class HoldMode : public Session::User {
 public:
  HoldMode(Bench& bench, Report& report)
      : bench_(bench), report_(report), fleet_(bench, *this, report, bench.options.sessions) {}

  void run() {
    if (!bench_.meter.enabled()) {
      report_.fail("hold needs --meter");
      return;
    }
    if (!open_first_ones()) {
      return;
    }
    const double pss_before = bench_.meter.pss_bytes();
    const auto kernel_before = bench_.meter.kernel_bytes();
    if (!fleet_.log_in() || !use_all() || !idle_all()) {
      return;
    }
    settle();
    const auto sessions = static_cast<double>(fleet_.size());
    report_.set("sessions", sessions);
    report_.set("pss_before_kb", pss_before / 1024);
    report_.set("pss_kb_per_session", (bench_.meter.pss_bytes() - pss_before) / 1024 / sessions);
    if (const auto kernel = bench_.meter.kernel_bytes(); kernel && kernel_before) {
      report_.set("kernel_kb_per_session", (*kernel - *kernel_before) / 1024 / sessions);
    }
    if (fleet_.lost() > 0) {
      report_.fail("sessions were lost");
    }
    fleet_.close_all();
    settle();
    report_.set("pss_after_kb", bench_.meter.pss_bytes() / 1024);
  }

 private:
  bool open_first_ones() {
    Fleet first(bench_, *this, report_, std::min(bench_.options.sessions, 8U));
    const bool done = first.log_in();
    first.close_all();
    settle();
    return done;
  }

  void settle() { bench_.loop.run_for(static_cast<std::int64_t>(bench_.options.seconds * 1e9)); }

  // A few at a time, as mail clients come.
  bool use_all() {
    if (bench_.options.bulk_kb == 0) {
      return true;
    }
    next_ = 0;
    done_ = 0;
    using_ = true;
    for (unsigned i = 0; i < bench_.options.parallel_logins; ++i) {
      use_next();
    }
    const bool all = bench_.loop.run_until(
        [this] { return done_ == fleet_.size() || fleet_.lost() > 0; }, bench_.deadline());
    using_ = false;
    return all || refuse("not all sessions had their message");
  }

  void use_next() {
    if (next_ < fleet_.size()) {
      fleet_.sessions()[next_++]->command(
          fmt::format("FETCH {} BODY.PEEK[]", bench_.options.bulk_kb));
    }
  }

  bool idle_all() {
    for (const auto& session : fleet_.sessions()) {
      session->command("IDLE");
    }
    const bool all = bench_.loop.run_until(
        [this] { return idling_ == fleet_.size() || fleet_.lost() > 0; }, bench_.deadline());
    return all || refuse("not all sessions came into IDLE");
  }

  bool refuse(const char* why) {
    report_.fail(why);
    return false;
  }

  void on_ready(Session& /*session*/) override {}
  void on_closed(Session& /*session*/, std::string_view /*reason*/) override {}
  void on_continue(Session& /*session*/) override { ++idling_; }

  void on_reply(Session& session, bool ok) override {
    if (!ok || !session.intact() || session.literal_bytes() != bench_.options.bulk_kb * 1024ULL) {
      report_.fail("a message came changed or not at all");
    }
    ++done_;
    if (using_) {
      use_next();
    }
  }

  Bench& bench_;
  Report& report_;
  Fleet fleet_;
  std::size_t next_ = 0;
  std::size_t done_ = 0;
  std::size_t idling_ = 0;
  bool using_ = false;
};

}  // namespace

void run_hold(Bench& bench, Report& report) {
  HoldMode(bench, report).run();
}

}  // namespace headgate::bench
