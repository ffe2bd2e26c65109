#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "backend/session.h"
#include "common/event_loop.h"

namespace headgate::bench {

struct ServerOptions {
  std::string address = "127.0.0.1";
  std::uint16_t port = 0;              // 0: the system chooses
  std::uint32_t push_interval_ms = 0;  // of sessions that did not ask with XPUSH; 0: no pushes
  bool refuse = false;                 // every login
  std::string capabilities =
      "IMAP4rev1 LITERAL+ SASL-IR ID IDLE ENABLE NAMESPACE UIDPLUS AUTH=PLAIN AUTH=LOGIN";
};

// Accepts everybody and owns the sessions.
class Server : EventLoop::Watcher {
 public:
  Server(EventLoop& loop, ServerOptions options);
  ~Server() override;

  [[nodiscard]] std::uint16_t port() const { return port_; }
  [[nodiscard]] const ServerOptions& options() const { return options_; }
  EventLoop& loop() { return loop_; }
  // Read into by one session at a time; nothing stays in it.
  std::array<char, 262'144>& scratch() { return scratch_; }

  // Called by a session whose connection is closed; it lives to the end of the turn.
  void forget(Session& session);
  void push_to_all();
  // Runs the push that session `slot` asked for, unless it has gone or asked anew since.
  void push_later(std::size_t slot, std::uint64_t idle_number, std::int64_t when);

 private:
  void on_ready(unsigned events) override;

  EventLoop& loop_;
  ServerOptions options_;
  int listener_;
  std::uint16_t port_;
  std::vector<std::unique_ptr<Session>> sessions_;
  std::vector<std::size_t> free_slots_;
  std::array<char, 262'144> scratch_{};
};

}  // namespace headgate::bench
