#include "load/connection.h"

#include <openssl/err.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <system_error>
#include <utility>

#include "common/sockets.h"

namespace headgate::bench {
namespace {

constexpr std::ptrdiff_t kOver = -1;

bool would_block(int error) {
  return error == EAGAIN || error == EINTR;
}

std::string describe(int error) {
  return std::generic_category().message(error);
}

}  // namespace

Connection::Connection(Bench& bench, User& user) : bench_(bench), user_(user) {}

Connection::~Connection() {
  if (fd_ >= 0) {
    ::close(fd_);
  }
}

void Connection::open() {
  close();
  waiting_.clear();
  waiting_sent_ = 0;
  phase_ = Phase::kConnect;
  connected_told_ = false;
  fd_ = connect_to(bench_.target);
  if (fd_ < 0) {
    // Told later: nobody expects to hear of the end before open() has returned.
    bench_.loop.after_turn([this, reason = describe(errno)] { user_.on_closed(reason); });
    return;
  }
  interest_ = EPOLLOUT;
  bench_.loop.add(fd_, interest_, *this);
}

void Connection::start_tls() {
  begin_handshake();
}

void Connection::begin_handshake() {
  phase_ = Phase::kHandshake;
  ssl_ = bench_.tls.connect(fd_, bench_.options.resume ? ticket_.get() : nullptr, *this);
  handshake();
}

void Connection::keep(SslSessionPtr ticket) {
  ticket_ = std::move(ticket);
}

bool Connection::resumed() const {
  return ssl_ && SSL_session_reused(ssl_.get()) == 1;
}

void Connection::on_ready(unsigned events) {
  if (fd_ < 0) {
    return;
  }
  if (phase_ == Phase::kConnect) {
    const int error = connect_error(fd_);
    if (error != 0) {
      fail(describe(error));
      return;
    }
    if ((events & EPOLLOUT) == 0U) {
      return;
    }
    if (bench_.options.security == Security::kImplicit) {
      begin_handshake();
      return;
    }
    phase_ = Phase::kOpen;
    connected_told_ = true;
    user_.on_connected();
  } else if (phase_ == Phase::kHandshake) {
    handshake();
    return;
  }
  if (fd_ >= 0 && (events & EPOLLOUT) != 0U && !waiting_.empty()) {
    write_waiting();
  }
  if (fd_ >= 0 && (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0U) {
    read();
  }
  set_interest();
}

void Connection::handshake() {
  ERR_clear_error();
  const int result = SSL_do_handshake(ssl_.get());
  if (result != 1) {
    const int error = SSL_get_error(ssl_.get(), result);
    if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) {
      const unsigned wanted = error == SSL_ERROR_WANT_READ ? EPOLLIN : EPOLLOUT;
      if (wanted != interest_) {
        interest_ = wanted;
        bench_.loop.change(fd_, wanted, *this);
      }
      return;
    }
    const char* const reason = ERR_reason_error_string(ERR_peek_error());
    fail(std::string("the TLS handshake failed: ") + (reason != nullptr ? reason : "closed"));
    return;
  }
  phase_ = Phase::kOpen;
  if (std::exchange(connected_told_, true)) {
    user_.on_secured();
  } else {
    user_.on_connected();
  }
  if (phase_ == Phase::kOpen && fd_ >= 0) {
    read();  // a greeting in the server's first flight is already inside OpenSSL
  }
  set_interest();
}

void Connection::read() {
  auto& scratch = bench_.scratch;
  std::size_t size = 0;
  std::ptrdiff_t got = 0;
  do {
    got = read_some(scratch.data() + size, scratch.size() - size);
    size += static_cast<std::size_t>(std::max<std::ptrdiff_t>(got, 0));
  } while (ssl_ && got > 0 && size < scratch.size());
  if (ssl_ && got > 0) {
    read_more_later();
  }
  if (size > 0) {
    user_.on_bytes({scratch.data(), size});
  }
  if (got < 0 && fd_ >= 0 && phase_ == Phase::kOpen) {
    fail("closed by the other side");
  }
}

void Connection::read_more_later() {
  if (!std::exchange(read_is_due_, true)) {
    bench_.loop.after_turn([this] {
      read_is_due_ = false;
      if (fd_ >= 0 && phase_ == Phase::kOpen) {
        read();
        set_interest();
      }
    });
  }
}

std::ptrdiff_t Connection::read_some(char* bytes, std::size_t size) {
  if (!ssl_) {
    const ssize_t got = recv(fd_, bytes, size, 0);
    return got > 0 ? got : (got < 0 && would_block(errno) ? 0 : kOver);
  }
  ERR_clear_error();
  const int got =
      SSL_read(ssl_.get(), bytes, static_cast<int>(std::min<std::size_t>(size, INT_MAX)));
  if (got > 0) {
    return got;
  }
  const int error = SSL_get_error(ssl_.get(), got);
  return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE ? 0 : kOver;
}

std::ptrdiff_t Connection::write_some(std::string_view bytes) {
  if (!ssl_) {
    const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    return sent >= 0 ? sent : (would_block(errno) ? 0 : kOver);
  }
  ERR_clear_error();
  const int sent = SSL_write(ssl_.get(), bytes.data(),
                             static_cast<int>(std::min<std::size_t>(bytes.size(), INT_MAX)));
  if (sent > 0) {
    return sent;
  }
  const int error = SSL_get_error(ssl_.get(), sent);
  return error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE ? 0 : kOver;
}

void Connection::send(std::string_view bytes) {
  if (fd_ < 0) {
    return;
  }
  while (waiting_.empty() && !bytes.empty()) {
    const std::ptrdiff_t sent = write_some(bytes);
    if (sent < 0) {
      return;  // reading finds the end as well, and has the reason
    }
    if (sent == 0) {
      break;
    }
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  if (!bytes.empty()) {
    waiting_.append(bytes);
    set_interest();
  }
}

void Connection::write_waiting() {
  while (waiting_sent_ < waiting_.size()) {
    const std::ptrdiff_t sent = write_some(std::string_view(waiting_).substr(waiting_sent_));
    if (sent <= 0) {
      return;
    }
    waiting_sent_ += static_cast<std::size_t>(sent);
  }
  waiting_.clear();
  waiting_sent_ = 0;
  user_.on_drained();
}

void Connection::set_interest() {
  if (fd_ < 0 || phase_ != Phase::kOpen) {
    return;  // gone, or opened anew meanwhile
  }
  const unsigned wanted = EPOLLIN | (waiting_.empty() ? 0U : static_cast<unsigned>(EPOLLOUT));
  if (wanted != interest_) {
    interest_ = wanted;
    bench_.loop.change(fd_, wanted, *this);
  }
}

void Connection::close() {
  if (fd_ < 0) {
    return;
  }
  if (ssl_ && phase_ == Phase::kOpen) {
    ERR_clear_error();
    SSL_shutdown(ssl_.get());
  }
  ssl_.reset();
  ::close(std::exchange(fd_, -1));
}

void Connection::fail(std::string_view reason) {
  if (ssl_) {
    // Else OpenSSL takes the ticket of a connection that ended without close_notify as spoilt.
    SSL_set_shutdown(ssl_.get(), SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
  }
  ssl_.reset();
  ::close(std::exchange(fd_, -1));
  user_.on_closed(reason);
}

}  // namespace headgate::bench
