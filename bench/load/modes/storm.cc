#include <fmt/format.h>

#include "common/clock.h"
#include "load/fleet.h"
#include "load/histogram.h"
#include "load/modes/modes.h"
#include "load/window.h"

namespace headgate::bench {
namespace {

// All sessions are logged in, lose their connections at once (a switch was restarted) and all come
// back at once. The latency is from the storm's begin to each one's OK. With --await-end they lose
// them by somebody else's doing; each comes back as soon as it has seen its end, and the storm
// begins with the first one's.
class StormMode : public Session::User {
 public:
  StormMode(Bench& bench, Report& report)
      : bench_(bench),
        report_(report),
        window_(bench),
        fleet_(bench, *this, report, bench.options.sessions) {}

  void run() {
    if (!fleet_.log_in()) {
      return;
    }
    if (bench_.options.await_end) {
      fleet_.expect_ends();
      window_.begin();
    } else {
      close_and_reopen();
    }
    const bool ended = bench_.loop.run_until(
        [this] { return fleet_.ready() + fleet_.lost() == fleet_.size(); }, bench_.deadline());
    window_.end();
    if (!ended || fleet_.lost() > 0) {
      report_.fail(fmt::format("{} of {} sessions came back", fleet_.ready(), fleet_.size()));
    }
    fleet_.close_all();
    window_.report(report_);
    report_.set_latency("back", latency_);
    report_.set("resumed_share",
                static_cast<double>(resumed_) / static_cast<double>(fleet_.size()));
  }

 private:
  void close_and_reopen() {
    fleet_.close_all();
    bench_.loop.run_for(static_cast<std::int64_t>(bench_.options.warm_up * 1e9));
    window_.begin();
    begun_at_ = now_ns();
    fleet_.open_all(static_cast<unsigned>(fleet_.size()));
  }

  void on_reply(Session& /*session*/, bool /*ok*/) override {}

  void on_closed(Session& /*session*/, std::string_view /*reason*/) override {
    if (window_.is_open() && begun_at_ == 0) {
      begun_at_ = now_ns();
    }
  }

  void on_ready(Session& session) override {
    if (window_.is_open()) {
      window_.count();
      latency_.record(now_ns() - begun_at_);
      resumed_ += session.resumed() ? 1 : 0;
    }
  }

  Bench& bench_;
  Report& report_;
  Window window_;
  Fleet fleet_;
  std::int64_t begun_at_ = 0;
  std::uint64_t resumed_ = 0;
  Histogram latency_;
};

}  // namespace

void run_storm(Bench& bench, Report& report) {
  StormMode(bench, report).run();
}

}  // namespace headgate::bench
