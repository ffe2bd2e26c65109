#include <fmt/format.h>

#include <string>

#include "common/clock.h"
#include "load/fleet.h"
#include "load/histogram.h"
#include "load/modes/modes.h"
#include "load/window.h"

namespace headgate::bench {
namespace {

// A message that is under way when what counts begins or ends counts where it ends: with many
// messages in the time that is nothing; with few, more seconds help. Bytes are counted by message,
// so the same holds.
class FetchMode : public Session::User {
 public:
  FetchMode(Bench& bench, Report& report)
      : report_(report),
        window_(bench),
        fleet_(bench, *this, report, bench.options.sessions),
        command_(fmt::format("FETCH {} BODY.PEEK[]", bench.options.size_kb)),
        bytes_(std::uint64_t{bench.options.size_kb} * 1024) {}

  void run() {
    if (!fleet_.log_in()) {
      return;
    }
    running_ = true;
    for (const auto& session : fleet_.sessions()) {
      session->command(command_);
    }
    window_.run();
    running_ = false;
    fleet_.close_all();
    window_.report(report_);
    report_.set_latency("fetch", latency_);
  }

 private:
  void on_ready(Session& /*session*/) override {}
  void on_closed(Session& /*session*/, std::string_view /*reason*/) override {}

  void on_reply(Session& session, bool ok) override {
    if (!ok || session.literal_bytes() != bytes_ || !session.intact()) {
      report_.fail("a message came changed or not at all");
      return;
    }
    window_.count(bytes_);
    if (window_.is_open()) {
      latency_.record(now_ns() - session.command_at());
    }
    if (running_) {
      session.command(command_);
    }
  }

  Report& report_;
  Window window_;
  Fleet fleet_;
  std::string command_;
  std::uint64_t bytes_;
  bool running_ = false;
  Histogram latency_;
};

}  // namespace

void run_fetch(Bench& bench, Report& report) {
  FetchMode(bench, report).run();
}

}  // namespace headgate::bench
