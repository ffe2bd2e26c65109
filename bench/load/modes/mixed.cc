#include <fmt/format.h>

#include <string>

#include "load/modes/modes.h"
#include "load/open_loop.h"
#include "load/window.h"

namespace headgate::bench {
namespace {

// First the NOOPs alone, then the same NOOPs beside bulk fetches: whether some sessions' bulk
// transfers starve the others.
class MixedMode {
 public:
  MixedMode(Bench& bench, Report& report)
      : bench_(bench),
        report_(report),
        bulk_(*this, true),
        small_(*this, false),
        bulk_fleet_(bench, bulk_, report, bench.options.bulk_sessions),
        small_fleet_(bench, small_, report, bench.options.sessions,
                     bench.options.bulk_sessions + 1),
        noops_(bench, small_fleet_, bench.options.rate),
        command_(fmt::format("FETCH {} BODY.PEEK[]", bench.options.size_kb)) {}

  void run() {
    if (!bulk_fleet_.log_in() || !small_fleet_.log_in()) {
      return;
    }
    noops_.start();
    Window quiet(bench_);
    run_one("quiet", quiet);
    running_ = true;
    for (const auto& session : bulk_fleet_.sessions()) {
      session->command(command_);
    }
    Window beside(bench_);
    const double p99_quiet = static_cast<double>(latency_.percentile(0.99));
    run_one("beside_bulk", beside);
    running_ = false;
    noops_.stop();
    report_.set("p99_ratio", static_cast<double>(latency_.percentile(0.99)) / p99_quiet);
    report_.set("bulk_bytes", static_cast<double>(bulk_bytes_));
    bulk_fleet_.close_all();
    small_fleet_.close_all();
    beside.report(report_);
  }

 private:
  // Sessions of either kind report here.
  class Listener : public Session::User {
   public:
    Listener(MixedMode& mode, bool is_bulk) : mode_(mode), is_bulk_(is_bulk) {}

   private:
    void on_ready(Session& /*session*/) override {}
    void on_closed(Session& /*session*/, std::string_view /*reason*/) override {}
    void on_reply(Session& session, bool ok) override {
      if (is_bulk_) {
        mode_.on_message(session, ok);
      } else {
        mode_.on_noop(session);
      }
    }

    MixedMode& mode_;
    bool is_bulk_;
  };

  void run_one(const char* name, Window& window) {
    window_ = &window;
    latency_.clear();
    window.run();
    report_.set_latency(name, latency_);
  }

  void on_noop(Session& session) {
    const std::int64_t latency = noops_.on_reply(session);
    if (window_ != nullptr && window_->is_open()) {
      latency_.record(latency);
      window_->count();
    }
  }

  void on_message(Session& session, bool ok) {
    const std::uint64_t bytes = session.literal_bytes();
    if (!ok || !session.intact() || bytes != std::uint64_t{bench_.options.size_kb} * 1024) {
      report_.fail("a message came changed or not at all");
      return;
    }
    bulk_bytes_ += bytes;
    if (running_) {
      session.command(command_);
    }
  }

  Bench& bench_;
  Report& report_;
  Listener bulk_;
  Listener small_;
  Fleet bulk_fleet_;
  Fleet small_fleet_;
  OpenLoop noops_;
  std::string command_;
  Window* window_ = nullptr;
  bool running_ = false;
  std::uint64_t bulk_bytes_ = 0;
  Histogram latency_;
};

}  // namespace

void run_mixed(Bench& bench, Report& report) {
  MixedMode(bench, report).run();
}

}  // namespace headgate::bench
