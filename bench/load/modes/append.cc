#include <fmt/format.h>

#include <string>
#include <vector>

#include "common/clock.h"
#include "load/fleet.h"
#include "load/histogram.h"
#include "load/modes/modes.h"
#include "load/window.h"

namespace headgate::bench {
namespace {

// Appends with a non-synchronizing literal; the backend compares what it gets and answers NO when
// it differs.
class AppendMode : public Session::User {
 public:
  AppendMode(Bench& bench, Report& report)
      : report_(report),
        window_(bench),
        fleet_(bench, *this, report, bench.options.sessions),
        bytes_(std::uint64_t{bench.options.size_kb} * 1024),
        command_(fmt::format("APPEND INBOX {{{}+}}", bytes_)),
        sent_(bench.options.sessions) {}

  void run() {
    if (!fleet_.log_in()) {
      return;
    }
    running_ = true;
    for (const auto& session : fleet_.sessions()) {
      begin(*session);
    }
    window_.run();
    running_ = false;
    fleet_.close_all();
    window_.report(report_);
    report_.set_latency("append", latency_);
  }

 private:
  static constexpr std::size_t kChunk = 131'072;

  void on_ready(Session& /*session*/) override {}
  void on_closed(Session& /*session*/, std::string_view /*reason*/) override {}

  void begin(Session& session) {
    sent_[session.number() - 1] = 0;
    session.command(command_);
    go_on(session);
  }

  void go_on(Session& session) {
    std::uint64_t& sent = sent_[session.number() - 1];
    while (running_ && sent < bytes_ && session.drained()) {
      const auto limit = static_cast<std::size_t>(std::min<std::uint64_t>(kChunk, bytes_ - sent));
      const std::string_view chunk = session.message().at(sent, limit);
      sent += chunk.size();
      session.send(chunk);
      if (sent == bytes_) {
        session.send("\r\n");
      }
    }
  }

  void on_drained(Session& session) override { go_on(session); }

  void on_reply(Session& session, bool ok) override {
    if (!ok) {
      report_.fail("an appended message was refused or came changed");
      return;
    }
    window_.count(bytes_);
    if (window_.is_open()) {
      latency_.record(now_ns() - session.command_at());
    }
    if (running_) {
      begin(session);
    }
  }

  Report& report_;
  Window window_;
  Fleet fleet_;
  std::uint64_t bytes_;
  std::string command_;
  std::vector<std::uint64_t> sent_;
  bool running_ = false;
  Histogram latency_;
};

}  // namespace

void run_append(Bench& bench, Report& report) {
  AppendMode(bench, report).run();
}

}  // namespace headgate::bench
