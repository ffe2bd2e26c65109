#include "common/clock.h"
#include "load/fleet.h"
#include "load/histogram.h"
#include "load/modes/modes.h"
#include "load/window.h"

namespace headgate::bench {
namespace {

// Closed loop: every session has one NOOP under way, always. Shows cost; its latency is that of a
// proxy at its limit (rate shows the other).
class NoopMode : public Session::User {
 public:
  NoopMode(Bench& bench, Report& report)
      : report_(report), window_(bench), fleet_(bench, *this, report, bench.options.sessions) {}

  void run() {
    if (!fleet_.log_in()) {
      return;
    }
    running_ = true;
    for (const auto& session : fleet_.sessions()) {
      session->command("NOOP");
    }
    window_.run();
    running_ = false;
    fleet_.close_all();
    window_.report(report_);
    report_.set_latency("noop", latency_);
  }

 private:
  void on_ready(Session& /*session*/) override {}
  void on_closed(Session& /*session*/, std::string_view /*reason*/) override {}

  void on_reply(Session& session, bool ok) override {
    if (!ok) {
      report_.fail("a NOOP was refused");
      return;
    }
    window_.count();
    if (window_.is_open()) {
      latency_.record(now_ns() - session.command_at());
    }
    if (running_) {
      session.command("NOOP");
    }
  }

  Report& report_;
  Window window_;
  Fleet fleet_;
  bool running_ = false;
  Histogram latency_;
};

}  // namespace

void run_noop(Bench& bench, Report& report) {
  NoopMode(bench, report).run();
}

}  // namespace headgate::bench
