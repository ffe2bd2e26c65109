#include <memory>
#include <vector>

#include "common/clock.h"
#include "load/histogram.h"
#include "load/modes/modes.h"
#include "load/session.h"
#include "load/window.h"

namespace headgate::bench {
namespace {

// Each session connects, logs in, logs out, waits for the end and begins again. A unit is a whole
// such round; the latency is from connect() to the tagged OK of LOGIN.
class LoginMode : public Session::User {
 public:
  LoginMode(Bench& bench, Report& report) : bench_(bench), report_(report), window_(bench) {
    for (unsigned i = 1; i <= bench.options.sessions; ++i) {
      sessions_.push_back(std::make_unique<Session>(bench, *this, i));
    }
  }

  void run() {
    for (const auto& session : sessions_) {
      session->open();
    }
    if (bench_.options.count > 0) {
      window_.begin();
      if (!bench_.loop.run_until([this] { return enough(); }, bench_.deadline())) {
        report_.fail("the time was up before all logins were done");
      }
      window_.end();
    } else {
      window_.run();
    }
    stopping_ = true;
    for (const auto& session : sessions_) {
      session->close();
    }
    window_.report(report_);
    report_.set_latency("login", login_);
    report_.set_latency("secured", secured_);
    const auto logins = static_cast<double>(login_.count());
    report_.set("resumed_share", logins > 0 ? static_cast<double>(resumed_) / logins : 0);
  }

 private:
  [[nodiscard]] bool enough() const { return window_.units() >= bench_.options.count; }

  void on_ready(Session& session) override {
    if (window_.is_open()) {
      login_.record(now_ns() - session.opened_at());
      secured_.record(session.secured_at() - session.opened_at());
      resumed_ += session.resumed() ? 1 : 0;
    }
    session.command("LOGOUT");
  }

  void on_reply(Session& /*session*/, bool ok) override {
    if (!ok) {
      report_.fail("LOGOUT was refused");
    }
  }

  void on_untagged(Session& session, std::string_view line) override {
    if (line.starts_with("BYE")) {
      bye_[session.number() - 1] = true;
    }
  }

  void on_closed(Session& session, std::string_view reason) override {
    if (stopping_) {
      return;
    }
    if (bye_[session.number() - 1]) {
      window_.count();
    } else {
      report_.fail(reason);
      if (++failures_ > kMaxFailures) {
        return;  // a proxy that refuses everybody is not asked for ever
      }
    }
    bye_[session.number() - 1] = false;
    if (bench_.options.count == 0 || !enough()) {
      session.open();
    }
  }

  static constexpr unsigned kMaxFailures = 1'000;

  Bench& bench_;
  Report& report_;
  Window window_;
  std::vector<std::unique_ptr<Session>> sessions_;
  std::vector<bool> bye_ = std::vector<bool>(bench_.options.sessions);
  bool stopping_ = false;
  unsigned failures_ = 0;
  Histogram login_;
  Histogram secured_;
  std::uint64_t resumed_ = 0;
};

}  // namespace

void run_login(Bench& bench, Report& report) {
  LoginMode(bench, report).run();
}

}  // namespace headgate::bench
