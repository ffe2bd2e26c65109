#include "sources/dovecot_auth_connection.h"

#include <fmt/format.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ranges>
#include <utility>

namespace headgate::sources {
namespace {

constexpr std::size_t kReceiveSize = 4096;
constexpr std::size_t kMostMechanisms = 64;
constexpr std::size_t kLongestMechanism = 20;  // RFC 4422, section 3.1
constexpr std::uint64_t kMostHandshakeLines = 256;

}  // namespace

DovecotAuthConnection::Ptr DovecotAuthConnection::open(net::Loop& loop, UniqueFd fd,
                                                       std::uint32_t client_id, Ended on_ended) {
  return Ptr(new DovecotAuthConnection(loop, std::move(fd), client_id, std::move(on_ended)));
}

DovecotAuthConnection::DovecotAuthConnection(net::Loop& loop, UniqueFd fd, std::uint32_t client_id,
                                             Ended on_ended)
    : fd_(std::move(fd)), on_ended_(std::move(on_ended)), out_(dovecot_auth_hello(client_id)) {
  watcher_.open(loop, fd_.get(), this, &DovecotAuthConnection::on_event);
  watcher_.want(net::kWritable);
}

void DovecotAuthConnection::retire() {
  on_ended_ = nullptr;
  close_socket();
}

// This object goes when the watcher has.
void DovecotAuthConnection::close_socket() {
  state_ = State::kEnded;
  if (watcher_.is_open()) {
    watcher_.close([](void* self) noexcept { delete static_cast<DovecotAuthConnection*>(self); });
    fd_.reset();
  }
}

void DovecotAuthConnection::on_event(void* self, unsigned ready) noexcept {
  auto& connection = *static_cast<DovecotAuthConnection*>(self);
  if (connection.state_ == State::kConnecting) {
    connection.finish_connect();
    return;
  }
  if ((ready & (net::kReadable | net::kHangup)) != 0) {
    connection.receive();
  }
  if (connection.state_ != State::kEnded && (ready & net::kWritable) != 0) {
    connection.flush();
  }
}

void DovecotAuthConnection::finish_connect() {
  int error = 0;
  socklen_t size = sizeof error;
  if (::getsockopt(fd_.get(), SOL_SOCKET, SO_ERROR, &error, &size) != 0) {
    error = errno;
  }
  if (error != 0) {
    end(DovecotAuthEnd::kFailed, std::strerror(error));
    return;
  }
  state_ = State::kHandshake;
  flush();
}

void DovecotAuthConnection::receive() {
  std::array<char, kReceiveSize> bytes;
  const ssize_t got = ::recv(fd_.get(), bytes.data(), bytes.size(), 0);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
    return;
  }
  if (got <= 0) {
    break_off(got == 0 ? "closed by the service" : std::strerror(errno));
    return;
  }
  in_.append(std::string_view(bytes.data(), static_cast<std::size_t>(got)));
  wipe(bytes.data(), static_cast<std::size_t>(got));
  take_lines();
}

void DovecotAuthConnection::take_lines() {
  while (state_ != State::kEnded) {
    const std::size_t length = in_.view().find('\n');
    if (std::min(length, in_.size()) > kLongestDovecotAuthLine) {
      end(DovecotAuthEnd::kMalformed, "expected a shorter line");
      return;
    }
    if (length == std::string_view::npos) {
      return;
    }
    const auto line = parse_dovecot_auth_line(in_.view().substr(0, length));
    if (!line) {
      end(DovecotAuthEnd::kMalformed, line.error());
      return;
    }
    ++lines_;
    take(*line);
    // Whoever waits has a deadline; but there may be nobody who waits.
    if (state_ == State::kHandshake && lines_ >= kMostHandshakeLines) {
      end(DovecotAuthEnd::kMalformed, fmt::format("expected DONE within {} lines", lines_));
      return;
    }
    in_.consume(length + 1);
  }
}

void DovecotAuthConnection::take(const DovecotAuthLine& line) {
  using Kind = DovecotAuthLine::Kind;
  switch (line.kind) {
    case Kind::kVersion:
      greeted_ = true;
      return;
    case Kind::kMechanism:
      add_mechanism(line.fields);
      return;
    case Kind::kDone:
      if (!greeted_) {
        end(DovecotAuthEnd::kMalformed, "expected VERSION before DONE");
      } else if (state_ == State::kHandshake) {
        become_ready();
      }
      return;
    case Kind::kContinue:
    case Kind::kOk:
    case Kind::kFail:
      take_answer(line);
      return;
    case Kind::kOther:
      return;
  }
}

// Its name, and what there is to know of it. Those that are no business of clients (private), or
// let everybody in, are none.
void DovecotAuthConnection::add_mechanism(std::string_view fields) {
  const std::string_view name = fields.substr(0, fields.find('\t'));
  bool good = state_ == State::kHandshake && mechanisms_.size() < kMostMechanisms &&
              name.size() <= kLongestMechanism;
  for (const auto flag : std::views::split(fields.substr(name.size()), '\t')) {
    const std::string_view word(flag.begin(), flag.end());
    good = good && word != "private" && word != "anonymous";
  }
  if (good) {
    mechanisms_.emplace(name);
  }
}

// Nobody waits any more for the answer to a request that was given up.
void DovecotAuthConnection::take_answer(const DovecotAuthLine& line) {
  if (line.id > largest_id_) {
    end(DovecotAuthEnd::kMalformed, "expected the number of a request that was made");
    return;
  }
  const auto found = waiting_.find(line.id);
  if (found == waiting_.end()) {
    return;
  }
  Waiter& waiter = *found->second;
  if (line.kind != DovecotAuthLine::Kind::kContinue) {
    waiting_.erase(found);
  }
  waiter.on_line(line);
}

void DovecotAuthConnection::become_ready() {
  state_ = State::kReady;
  while (state_ == State::kReady && !arriving_.empty()) {
    Waiter& next = *arriving_.front();
    arriving_.erase(arriving_.begin());
    next.on_ready();
  }
}

// Not 0, nor that of a request under way: at a thousand logins a second they begin anew after
// weeks.
std::uint32_t DovecotAuthConnection::next_id() const {
  std::uint32_t id = last_id_;
  do {
    ++id;
  } while (id == 0 || waiting_.contains(id));
  return id;
}

std::uint32_t DovecotAuthConnection::ask(Waiter& waiter, std::string_view mechanism,
                                         std::string_view service,
                                         const auth::LoginRequest& request, const Secret* message) {
  const std::uint32_t id = next_id();
  Secret line = dovecot_auth_request(id, mechanism, service, request, message);
  if (line.empty()) {
    return 0;
  }
  last_id_ = id;
  largest_id_ = std::max(largest_id_, id);
  waiting_.emplace(id, &waiter);
  send(line);
  return id;
}

bool DovecotAuthConnection::go_on(std::uint32_t id, const Secret& message) {
  Secret line = dovecot_auth_continue(id, message);
  if (line.empty()) {
    return false;
  }
  send(line);
  return true;
}

void DovecotAuthConnection::forget(Waiter& waiter, std::uint32_t id) {
  std::erase(arriving_, &waiter);
  if (waiting_.erase(id) > 0 && state_ == State::kReady) {
    send(Secret(dovecot_auth_cancel(id)));
  }
}

// Never ends the connection: who calls is in the middle of something. An error is found again by
// flush().
void DovecotAuthConnection::send(const Secret& line) {
  out_.append(line.view());
  write();
  watcher_.want(out_.empty() ? net::kReadable : net::kReadable | net::kWritable);
}

// What went wrong: an errno, or 0.
int DovecotAuthConnection::write() {
  while (!out_.empty()) {
    const ssize_t sent = ::send(fd_.get(), out_.view().data(), out_.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno != EINTR) {
      return errno == EAGAIN ? 0 : errno;
    }
    out_.consume(static_cast<std::size_t>(std::max<ssize_t>(sent, 0)));
  }
  return 0;
}

void DovecotAuthConnection::flush() {
  if (const int error = write(); error != 0) {
    break_off(std::strerror(error));
    return;
  }
  watcher_.want(out_.empty() ? net::kReadable : net::kReadable | net::kWritable);
}

void DovecotAuthConnection::break_off(const std::string& why) {
  end(state_ == State::kReady ? DovecotAuthEnd::kClosed : DovecotAuthEnd::kFailed, why);
}

// Who waits may go, or begin something else, while another one is told.
void DovecotAuthConnection::end(DovecotAuthEnd end, const std::string& why) {
  if (state_ == State::kEnded) {
    return;
  }
  close_socket();
  if (const Ended on_ended = std::exchange(on_ended_, nullptr)) {
    on_ended(*this, end, why);
  }
  while (!arriving_.empty()) {
    Waiter& next = *arriving_.back();
    arriving_.pop_back();
    next.on_lost(end, why);
  }
  while (!waiting_.empty()) {
    Waiter& next = *waiting_.begin()->second;
    waiting_.erase(waiting_.begin());
    next.on_lost(end, why);
  }
}

}  // namespace headgate::sources
