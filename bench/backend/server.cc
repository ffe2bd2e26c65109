#include "backend/server.h"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <utility>

#include "common/sockets.h"

namespace headgate::bench {

Server::Server(EventLoop& loop, ServerOptions options)
    : loop_(loop),
      options_(std::move(options)),
      listener_(listen_on(parse_address(options_.address, options_.port))),
      port_(local_port(listener_)) {
  loop_.add(listener_, EPOLLIN, *this);
}

Server::~Server() {
  ::close(listener_);
}

void Server::on_ready(unsigned /*events*/) {
  for (;;) {
    const int fd = accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) {
      return;
    }
    std::size_t slot = sessions_.size();
    if (free_slots_.empty()) {
      sessions_.emplace_back();
    } else {
      slot = free_slots_.back();
      free_slots_.pop_back();
    }
    sessions_[slot] = std::make_unique<Session>(*this, fd, slot);
  }
}

void Server::forget(Session& session) {
  const std::size_t slot = session.slot();
  loop_.after_turn([this, slot] {
    sessions_[slot].reset();
    free_slots_.push_back(slot);
  });
}

void Server::push_to_all() {
  for (const auto& session : sessions_) {
    if (session) {
      session->push();
    }
  }
}

void Server::push_later(std::size_t slot, std::uint64_t idle_number, std::int64_t when) {
  loop_.at(when, [this, slot, idle_number, when] {
    Session* const session = sessions_[slot].get();
    if (session != nullptr && session->idle_number() == idle_number) {
      session->push();
      push_later(slot, idle_number, when + session->push_interval_ns());
    }
  });
}

}  // namespace headgate::bench
