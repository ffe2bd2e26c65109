#include <fmt/format.h>

#include "load/modes/modes.h"
#include "load/open_loop.h"
#include "load/window.h"

namespace headgate::bench {
namespace {

class RateMode : public Session::User {
 public:
  RateMode(Bench& bench, Report& report)
      : bench_(bench),
        report_(report),
        window_(bench),
        fleet_(bench, *this, report, bench.options.sessions),
        noops_(bench, fleet_, bench.options.rate) {}

  void run() {
    if (!fleet_.log_in()) {
      return;
    }
    noops_.start();
    window_.run();
    noops_.stop();
    if (!bench_.loop.run_until([this] { return noops_.outstanding() == 0; }, bench_.deadline())) {
      report_.fail(fmt::format("{} NOOPs were never answered", noops_.outstanding()));
    }
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
    }
    const std::int64_t latency = noops_.on_reply(session);
    window_.count();
    if (window_.is_open()) {
      latency_.record(latency);
    }
  }

  Bench& bench_;
  Report& report_;
  Window window_;
  Fleet fleet_;
  OpenLoop noops_;
  Histogram latency_;
};

}  // namespace

void run_rate(Bench& bench, Report& report) {
  RateMode(bench, report).run();
}

}  // namespace headgate::bench
