#include "backend/session.h"

#include <fmt/format.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "backend/server.h"
#include "backend/syntax.h"
#include "common/clock.h"

namespace headgate::bench {
namespace {

constexpr std::size_t kMaxCommand = 65'536;
constexpr std::uint64_t kMaxPiece = 262'144;  // of a body in one send
// The golden section of 2^64: its multiples are evenly spread, however many.
constexpr std::uint64_t kGolden = 0x9E37'79B9'7F4A'7C15;

// Any untagged words that a command brings before its OK.
std::string_view untagged_of(std::string_view name) {
  if (equals_ignoring_case(name, "SELECT") || equals_ignoring_case(name, "EXAMINE")) {
    return "* FLAGS (\\Seen \\Deleted)\r\n* 65536 EXISTS\r\n* 0 RECENT\r\n"
           "* OK [UIDVALIDITY 1] valid\r\n* OK [UIDNEXT 65537] next\r\n";
  }
  if (equals_ignoring_case(name, "LIST")) {
    return "* LIST () \"/\" INBOX\r\n";
  }
  if (equals_ignoring_case(name, "ID")) {
    return "* ID NIL\r\n";
  }
  if (equals_ignoring_case(name, "NAMESPACE")) {
    return "* NAMESPACE ((\"\" \"/\")) NIL NIL\r\n";
  }
  return {};
}

bool is_known(std::string_view name) {
  static constexpr std::array<std::string_view, 9> kKnown = {
      "NOOP", "SELECT", "EXAMINE", "LIST", "ID", "NAMESPACE", "ENABLE", "CHECK", "CLOSE"};
  for (const std::string_view known : kKnown) {
    if (equals_ignoring_case(name, known)) {
      return true;
    }
  }
  return false;
}

}  // namespace

Session::Session(Server& server, int fd, std::size_t slot)
    : server_(server),
      fd_(fd),
      slot_(slot),
      interest_(EPOLLIN),
      push_interval_ns_(server.options().push_interval_ms * kNsPerMs) {
  server_.loop().add(fd_, interest_, *this);
  reply(
      fmt::format("* OK [CAPABILITY {}] bench backend ready\r\n", server_.options().capabilities));
  flush();
}

Session::~Session() {
  if (fd_ >= 0) {
    ::close(fd_);
  }
}

void Session::on_ready(unsigned events) {
  if (fd_ < 0) {
    return;
  }
  if ((events & EPOLLOUT) != 0U) {
    flush();
  }
  if (fd_ >= 0 && (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0U && body_left_ == 0) {
    read_input();
  }
}

void Session::read_input() {
  auto& scratch = server_.scratch();
  const ssize_t got = recv(fd_, scratch.data(), scratch.size(), 0);
  if (got > 0) {
    take({scratch.data(), static_cast<std::size_t>(got)});
    flush();
  } else if (got == 0 || (errno != EAGAIN && errno != EINTR)) {
    close();
  }
}

void Session::take(std::string_view bytes) {
  while (!bytes.empty() && body_left_ == 0 && !bye_) {
    if (state_ == State::kArgumentLiteral || state_ == State::kAppendLiteral) {
      bytes.remove_prefix(take_literal(bytes));
      continue;
    }
    const std::size_t end = bytes.find('\n');
    if (end == std::string_view::npos) {
      break;
    }
    std::string_view line = bytes.substr(0, end);
    bytes.remove_prefix(end + 1);
    if (line.ends_with('\r')) {
      line.remove_suffix(1);
    }
    if (partial_.empty()) {
      take_line(line);
    } else {
      partial_.append(line);
      std::string whole = std::exchange(partial_, {});
      if (whole.ends_with('\r')) {
        whole.pop_back();
      }
      take_line(whole);
    }
  }
  partial_.append(bytes);
  if (partial_.size() > kMaxCommand && body_left_ == 0) {
    finish("BAD too long");
    bye_ = true;
  }
}

std::size_t Session::take_literal(std::string_view bytes) {
  const std::string_view now = bytes.substr(0, literal_left_);
  if (state_ == State::kAppendLiteral) {
    intact_ = intact_ && message_.matches(literal_offset_, now);
  } else {
    literals_.back().append(now);
  }
  literal_offset_ += now.size();
  literal_left_ -= now.size();
  if (literal_left_ == 0) {
    state_ = State::kCommand;
  }
  return now.size();
}

void Session::take_line(std::string_view line) {
  if (state_ == State::kIdle) {
    idle_number_ = 0;
    state_ = State::kCommand;
    finish("OK IDLE completed");
    return;
  }
  if (state_ == State::kSasl) {
    take_sasl(line);
    return;
  }
  if (begin_literal(line)) {
    return;
  }
  if (command_.empty()) {
    execute(line);
    return;
  }
  command_.append(line);
  const std::string command = std::exchange(command_, {});
  execute(command);
  literals_.clear();
}

bool Session::begin_literal(std::string_view line) {
  const auto literal = trailing_literal(line);
  if (!literal) {
    return false;
  }
  std::string_view rest = line;
  next_word(rest);
  const bool is_append = command_.empty() && equals_ignoring_case(next_word(rest), "APPEND");
  command_.append(line);
  literal_left_ = literal->size;
  literal_offset_ = 0;
  if (is_append) {
    intact_ = true;
    state_ = literal_left_ > 0 ? State::kAppendLiteral : State::kCommand;
  } else if (literal->size > kMaxCommand) {
    finish("BAD literal too long");
    bye_ = true;
    return true;
  } else {
    literals_.emplace_back();
    state_ = literal_left_ > 0 ? State::kArgumentLiteral : State::kCommand;
  }
  if (literal->synchronizing) {
    reply("+ go on\r\n");
  }
  return true;
}

void Session::execute(std::string_view command) {
  std::string_view rest = command;
  const std::string_view tag = next_word(rest);
  std::string_view name = next_word(rest);
  tag_.assign(tag);
  if (equals_ignoring_case(name, "NOOP")) {
    finish("OK NOOP completed");
  } else if (equals_ignoring_case(name, "FETCH")) {
    execute_fetch(tag, rest, false);
  } else if (equals_ignoring_case(name, "UID") && equals_ignoring_case(next_word(rest), "FETCH")) {
    execute_fetch(tag, rest, true);
  } else if (equals_ignoring_case(name, "APPEND")) {
    finish(intact_ ? "OK [APPENDUID 1 1] APPEND completed"
                   : "NO [SERVERBUG] the message was changed");
  } else if (equals_ignoring_case(name, "IDLE")) {
    begin_idle();
  } else if (equals_ignoring_case(name, "LOGIN")) {
    log_in(first_astring(rest, literals_));
  } else if (equals_ignoring_case(name, "AUTHENTICATE")) {
    begin_sasl(rest);
  } else if (equals_ignoring_case(name, "CAPABILITY")) {
    reply(fmt::format("* CAPABILITY {}\r\n", server_.options().capabilities));
    finish("OK CAPABILITY completed");
  } else if (equals_ignoring_case(name, "LOGOUT")) {
    reply("* BYE logging out\r\n");
    finish("OK LOGOUT completed");
    bye_ = true;
  } else if (equals_ignoring_case(name, "XPUSH")) {
    push_interval_ns_ = static_cast<std::int64_t>(parse_number(rest).value_or(0)) * kNsPerMs;
    finish("OK XPUSH completed");
  } else if (equals_ignoring_case(name, "XPUSHALL")) {
    server_.push_to_all();
    finish("OK XPUSHALL completed");
  } else if (equals_ignoring_case(name, "XBYE")) {
    reply("* BYE as you wish\r\n");
    bye_ = true;
  } else if (is_known(name)) {
    reply(untagged_of(name));
    finish("OK completed");
  } else {
    finish("BAD unknown command");
  }
}

void Session::execute_fetch(std::string_view tag, std::string_view arguments, bool by_uid) {
  const auto number = parse_number(next_word(arguments));
  if (!number || *number > 4'194'304) {
    finish("BAD expected FETCH number BODY[]");
    return;
  }
  const std::uint64_t size = *number * 1024;
  const std::string uid = by_uid ? fmt::format("UID {} ", *number) : std::string();
  reply(fmt::format("* {} FETCH ({}BODY[] {{{}}}\r\n", *number, uid, size));
  // From here on what is said waits in the tail.
  body_offset_ = 0;
  body_left_ = size;
  reply(fmt::format(")\r\n{} OK FETCH completed\r\n", tag));
}

void Session::begin_sasl(std::string_view arguments) {
  const std::string_view mechanism = next_word(arguments);
  sasl_login_ = equals_ignoring_case(mechanism, "LOGIN");
  if (!sasl_login_ && !equals_ignoring_case(mechanism, "PLAIN")) {
    finish("NO no such mechanism");
    return;
  }
  state_ = State::kSasl;
  literals_.clear();
  if (arguments.empty()) {
    reply(sasl_login_ ? "+ VXNlcm5hbWU6\r\n" : "+ \r\n");
  } else {
    take_sasl(arguments);
  }
}

void Session::take_sasl(std::string_view response) {
  std::string decoded = decode_base64(response);
  if (sasl_login_ && literals_.empty()) {
    literals_.push_back(std::move(decoded));
    reply("+ UGFzc3dvcmQ6\r\n");
    return;
  }
  state_ = State::kCommand;
  if (sasl_login_) {
    log_in(literals_.front());
  } else {
    // authorization identity NUL authentication identity NUL password
    const std::size_t end = decoded.find('\0');
    const std::string authorization = decoded.substr(0, end);
    const std::string rest = end == std::string::npos ? std::string() : decoded.substr(end + 1);
    log_in(authorization.empty() ? rest.substr(0, rest.find('\0')) : authorization);
  }
  literals_.clear();
}

void Session::log_in(std::string_view user) {
  if (server_.options().refuse) {
    finish("NO [AUTHENTICATIONFAILED] wrong user or password");
    return;
  }
  message_ = Message(user);
  finish(fmt::format("OK [CAPABILITY {}] logged in", server_.options().capabilities));
}

void Session::begin_idle() {
  static std::uint64_t idles = 0;
  state_ = State::kIdle;
  idle_number_ = ++idles;
  pushes_ = 0;
  reply("+ idling\r\n");
  if (push_interval_ns_ > 0) {
    // By the clock and not by when IDLE began, so that those of a few sessions, which begin
    // together, are spread over the interval like those of many.
    const double place = static_cast<double>(slot_ * kGolden) / 0x1p64;
    const std::int64_t begun = (now_ns() / push_interval_ns_ + 1) * push_interval_ns_;
    const auto after = static_cast<std::int64_t>(place * static_cast<double>(push_interval_ns_));
    server_.push_later(slot_, idle_number_, begun + after);
  }
}

void Session::push() {
  if (fd_ >= 0 && state_ == State::kIdle) {
    reply(fmt::format("* OK [PUSH {} {}]\r\n", ++pushes_, now_ns()));
    flush();
  }
}

void Session::finish(std::string_view result) {
  (body_left_ > 0 ? tail_ : head_).append(tag_).append(" ").append(result).append("\r\n");
}

void Session::reply(std::string_view text) {
  (body_left_ > 0 ? tail_ : head_).append(text);
}

bool Session::has_output() const {
  return head_sent_ < head_.size() || body_left_ > 0;
}

void Session::flush() {
  // One piece of a body at a time: a bulk transfer must not delay the other sessions' replies.
  while (fd_ >= 0 && has_output() && write_once() && body_left_ == 0) {
  }
  if (fd_ < 0) {
    return;
  }
  if (!has_output()) {
    if (bye_) {
      close();
      return;
    }
    if (partial_.find('\n') != std::string::npos) {  // what came while a body went out
      take(std::exchange(partial_, {}));
      flush();
      return;
    }
  }
  set_interest();
}

bool Session::write_once() {
  std::array<iovec, 4> pieces{};  // head, body around the end of the pattern, tail
  std::size_t count = 0;
  const auto add = [&](std::string_view bytes) {
    pieces.at(count++) = {const_cast<char*>(bytes.data()), bytes.size()};
  };
  if (head_sent_ < head_.size()) {
    add(std::string_view(head_).substr(head_sent_));
  }
  std::uint64_t offset = 0;
  const std::uint64_t piece = std::min(body_left_, kMaxPiece);
  while (offset < piece) {
    add(message_.at(body_offset_ + offset, piece - offset));
    offset += pieces.at(count - 1).iov_len;
  }
  if (body_left_ > 0 && offset == body_left_) {
    add(tail_);
  }
  msghdr message{};
  message.msg_iov = pieces.data();
  message.msg_iovlen = count;
  const ssize_t sent = sendmsg(fd_, &message, MSG_NOSIGNAL);
  if (sent >= 0) {
    note_sent(static_cast<std::uint64_t>(sent));
    return true;
  }
  if (errno != EAGAIN && errno != EINTR) {
    close();
  }
  return false;
}

void Session::note_sent(std::uint64_t sent) {
  const std::uint64_t of_head = std::min<std::uint64_t>(sent, head_.size() - head_sent_);
  const std::uint64_t of_body = std::min(sent - of_head, body_left_);
  head_sent_ += of_head;
  body_offset_ += of_body;
  body_left_ -= of_body;
  if (head_sent_ == head_.size() && body_left_ == 0) {
    head_.clear();
    head_.swap(tail_);
    head_sent_ = sent - of_head - of_body;
  }
}

void Session::set_interest() {
  const unsigned wanted = (has_output() ? EPOLLOUT : 0U) | (body_left_ == 0 ? EPOLLIN : 0U);
  if (wanted != interest_) {
    interest_ = wanted;
    server_.loop().change(fd_, wanted, *this);
  }
}

void Session::close() {
  if (fd_ < 0) {
    return;
  }
  ::close(std::exchange(fd_, -1));
  idle_number_ = 0;
  server_.forget(*this);
}

}  // namespace headgate::bench
