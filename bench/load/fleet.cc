#include "load/fleet.h"

#include <fmt/format.h>

#include <algorithm>

namespace headgate::bench {

Fleet::Fleet(Bench& bench, Session::User& user, Report& report, unsigned count, unsigned first)
    : bench_(bench), user_(user), report_(report) {
  sessions_.reserve(count);
  for (unsigned i = 0; i < count; ++i) {
    sessions_.push_back(std::make_unique<Session>(bench_, *this, first + i));
  }
}

Fleet::~Fleet() {
  close_all();
}

bool Fleet::log_in() {
  open_all(bench_.options.parallel_logins);
  const bool done = bench_.loop.run_until(
      [this] { return lost_ > 0 || ready_ == sessions_.size(); }, bench_.deadline());
  if (!done) {
    report_.fail(fmt::format("only {} of {} sessions were logged in after {} s", ready_,
                             sessions_.size(), bench_.options.timeout));
  }
  return done && lost_ == 0;
}

void Fleet::open_all(unsigned at_once) {
  next_ = 0;
  ready_ = 0;
  lost_ = 0;
  for (unsigned i = 0; i < at_once; ++i) {
    open_next();
  }
}

void Fleet::open_next() {
  if (next_ < sessions_.size()) {
    sessions_[next_++]->open();
  }
}

void Fleet::on_ready(Session& session) {
  ++ready_;
  open_next();
  user_.on_ready(session);
}

void Fleet::on_closed(Session& session, std::string_view reason) {
  if (expected_ends_ > 0) {
    --expected_ends_;
    user_.on_closed(session, reason);
    session.open();
    return;
  }
  ++lost_;
  report_.fail(fmt::format("a session ended: {}", reason));
  user_.on_closed(session, reason);
  open_next();
}

void Fleet::expect_ends() {
  ready_ = 0;
  lost_ = 0;
  expected_ends_ = sessions_.size();
}

void Fleet::close_all() {
  for (const auto& session : sessions_) {
    session->close();
  }
}

}  // namespace headgate::bench
