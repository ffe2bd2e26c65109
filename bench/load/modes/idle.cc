#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <string>
#include <vector>

#include "common/clock.h"
#include "load/fleet.h"
#include "load/histogram.h"
#include "load/modes/modes.h"
#include "load/window.h"

namespace headgate::bench {
namespace {

// Reads "OK [PUSH number time]"; false when the line is something else.
bool parse_push(std::string_view line, std::uint64_t& number, std::int64_t& time) {
  static constexpr std::string_view kHead = "OK [PUSH ";
  if (!line.starts_with(kHead)) {
    return false;
  }
  const char* const end = line.data() + line.size();
  const auto first = std::from_chars(line.data() + kHead.size(), end, number);
  return first.ec == std::errc() && first.ptr < end &&
         std::from_chars(first.ptr + 1, end, time).ec == std::errc();
}

// All sessions in IDLE, each pushed to in an interval of its own. Every push must come, once and in
// order, and every session must live to the end and answer DONE.
class IdleMode : public Session::User {
 public:
  IdleMode(Bench& bench, Report& report)
      : bench_(bench),
        report_(report),
        window_(bench),
        fleet_(bench, *this, report, bench.options.sessions),
        pushes_(bench.options.sessions) {}

  void run() {
    if (!fleet_.log_in() || !everywhere(fmt::format("XPUSH {}", bench_.options.push_ms)) ||
        !idle_everywhere()) {
      return;
    }
    window_.run();
    end_idle();
    check_pushes();
    window_.report(report_);
    report_.set("sessions", static_cast<double>(fleet_.size()));
    report_.set("sessions_lost", static_cast<double>(fleet_.lost()));
    report_.set_latency("push", latency_);
    fleet_.close_all();
  }

 private:
  // One command on all sessions, and their replies.
  bool everywhere(const std::string& command) {
    replies_ = 0;
    for (const auto& session : fleet_.sessions()) {
      session->command(command);
    }
    return wait_for("a reply to " + command, replies_);
  }

  bool idle_everywhere() {
    for (const auto& session : fleet_.sessions()) {
      session->command("IDLE");
    }
    return wait_for("IDLE's continuation", idling_);
  }

  void end_idle() {
    replies_ = 0;
    for (const auto& session : fleet_.sessions()) {
      session->send("DONE\r\n");
    }
    wait_for("IDLE's end", replies_);
  }

  // Until every session has brought `count` one further.
  bool wait_for(std::string_view what, const std::size_t& count) {
    const auto done = [&] { return count >= fleet_.size() || fleet_.lost() > 0; };
    if (!bench_.loop.run_until(done, bench_.deadline()) || fleet_.lost() > 0) {
      report_.fail(fmt::format("{} of {} sessions had {}", count, fleet_.size(), what));
      return false;
    }
    return true;
  }

  void check_pushes() {
    const double run_ms = (bench_.options.seconds + bench_.options.warm_up) * 1000;
    // A session's first push comes within two intervals, the last may still be under way.
    const double due = run_ms / bench_.options.push_ms - 3;
    const std::uint64_t fewest = *std::ranges::min_element(pushes_);
    report_.set("fewest_pushes", static_cast<double>(fewest));
    if (static_cast<double>(fewest) < due) {
      report_.fail(fmt::format("a session had {} pushes where {:.0f} were due", fewest, due));
    }
  }

  void on_ready(Session& /*session*/) override {}
  void on_closed(Session& /*session*/, std::string_view /*reason*/) override {}
  void on_continue(Session& /*session*/) override { ++idling_; }

  void on_reply(Session& /*session*/, bool ok) override {
    ++replies_;
    if (!ok) {
      report_.fail("a command was refused");
    }
  }

  void on_untagged(Session& session, std::string_view line) override {
    std::uint64_t number = 0;
    std::int64_t sent_at = 0;
    if (!parse_push(line, number, sent_at)) {
      return;
    }
    std::uint64_t& last = pushes_[session.number() - 1];
    if (number != last + 1) {
      report_.fail(fmt::format("a session had push {} after push {}", number, last));
    }
    last = number;
    window_.count();
    if (window_.is_open()) {
      latency_.record(now_ns() - sent_at);
    }
  }

  Bench& bench_;
  Report& report_;
  Window window_;
  Fleet fleet_;
  std::vector<std::uint64_t> pushes_;  // by session: the last one's number
  std::size_t replies_ = 0;
  std::size_t idling_ = 0;
  Histogram latency_;
};

}  // namespace

void run_idle(Bench& bench, Report& report) {
  IdleMode(bench, report).run();
}

}  // namespace headgate::bench
