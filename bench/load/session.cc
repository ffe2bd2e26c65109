#include "load/session.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "common/clock.h"

namespace headgate::bench {
namespace {

// The n of a {n} that `line` ends with; 0 when there is none.
std::uint64_t trailing_literal(std::string_view line) {
  const std::size_t open = line.ends_with('}') ? line.rfind('{') : std::string_view::npos;
  std::uint64_t size = 0;
  if (open != std::string_view::npos) {
    std::from_chars(line.data() + open + 1, line.data() + line.size() - 1, size);
  }
  return size;
}

}  // namespace

Session::Session(Bench& bench, User& user, unsigned number)
    : bench_(bench),
      user_(user),
      number_(number),
      name_(fmt::format("{}{:05}@{}", bench.options.user_prefix, number, bench.options.domain)),
      message_(name_),
      connection_(bench, *this) {}

void Session::open() {
  partial_.clear();
  literal_left_ = 0;
  behind_literal_ = false;
  state_ = State::kConnecting;
  opened_at_ = now_ns();
  connection_.open();
}

void Session::close() {
  state_ = State::kClosed;
  connection_.close();
}

void Session::on_connected() {
  secured_at_ = now_ns();
  state_ = State::kGreeting;
}

void Session::on_secured() {
  secured_at_ = now_ns();
  log_in();
}

void Session::on_drained() {
  user_.on_drained(*this);
}

void Session::on_closed(std::string_view reason) {
  static constexpr std::string_view kWhile[] = {
      "",           "connecting", "waiting for the greeting", "waiting for STARTTLS",
      "logging in", "logged in"};
  const State was = std::exchange(state_, State::kClosed);
  user_.on_closed(*this, fmt::format("{} ({})", reason, kWhile[static_cast<std::size_t>(was)]));
}

void Session::give_up(std::string_view reason) {
  close();
  user_.on_closed(*this, reason);
}

void Session::command(std::string_view text) {
  tag_ = fmt::format("a{} ", ++tag_number_);
  literal_bytes_ = 0;
  literal_offset_ = 0;
  command_at_ = now_ns();
  std::string line = tag_;
  line.append(text);
  if (!line.ends_with('\n')) {
    line.append("\r\n");
  }
  connection_.send(line);
}

void Session::on_bytes(std::string_view bytes) {
  while (!bytes.empty() && state_ != State::kClosed && state_ != State::kConnecting) {
    if (literal_left_ > 0) {
      bytes.remove_prefix(take_literal(bytes));
      continue;
    }
    const std::size_t end = bytes.find('\n');
    if (end == std::string_view::npos) {
      partial_.append(bytes);
      return;
    }
    std::string_view line = bytes.substr(0, end);
    bytes.remove_prefix(end + 1);
    std::string whole;
    if (!partial_.empty()) {
      whole = std::exchange(partial_, {});
      whole.append(line);
      line = whole;
    }
    if (line.ends_with('\r')) {
      line.remove_suffix(1);
    }
    take_line(line);
  }
}

std::size_t Session::take_literal(std::string_view bytes) {
  const std::string_view now = bytes.substr(0, literal_left_);
  intact_ = intact_ && message_.matches(literal_offset_, now);
  literal_offset_ += now.size();
  literal_bytes_ += now.size();
  literal_left_ -= now.size();
  return now.size();
}

void Session::take_line(std::string_view line) {
  const bool goes_on = std::exchange(behind_literal_, false);
  literal_left_ = trailing_literal(line);
  if (literal_left_ > 0) {
    behind_literal_ = true;
    return;
  }
  if (goes_on) {
    return;
  }
  if (state_ == State::kGreeting) {
    take_greeting(line);
  } else if (line.starts_with(tag_)) {
    take_tagged(line.substr(tag_.size()));
  } else if (line.starts_with("* ")) {
    if (state_ == State::kReady) {
      user_.on_untagged(*this, line.substr(2));
    }
  } else if (line.starts_with('+')) {
    user_.on_continue(*this);
  } else {
    give_up(fmt::format("expected a response, found '{}'", line.substr(0, 60)));
  }
}

void Session::take_greeting(std::string_view line) {
  if (!line.starts_with("* OK")) {
    give_up(fmt::format("expected a greeting, found '{}'", line.substr(0, 60)));
  } else if (bench_.options.security == Security::kStartTls) {
    state_ = State::kStartTls;
    command("STARTTLS");
  } else {
    log_in();
  }
}

void Session::log_in() {
  state_ = State::kLogin;
  command(fmt::format("LOGIN {} {}", name_, bench_.options.password));
}

void Session::take_tagged(std::string_view result) {
  const bool ok = result.starts_with("OK");
  if (state_ == State::kReady) {
    user_.on_reply(*this, ok);
  } else if (!ok) {
    give_up(fmt::format("login refused: '{}'", result.substr(0, 60)));
  } else if (state_ == State::kStartTls) {
    connection_.start_tls();
  } else {
    state_ = State::kReady;
    user_.on_ready(*this);
  }
}

}  // namespace headgate::bench
