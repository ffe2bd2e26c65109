#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/event_loop.h"
#include "common/message.h"

namespace headgate::bench {

class Server;

// One IMAP session of the bench's backend. Everybody is let in; every mailbox is the same.
//
//   FETCH n BODY.PEEK[]   (also UID FETCH) message n is n KiB long, made of the user's Message
//   APPEND INBOX {n+}     swallowed and compared with the user's Message: NO when it differs
//   XPUSH ms              from the next IDLE on a push every so many milliseconds, 0: none
//   XPUSHALL              one push now to every session in IDLE
//   XBYE                  * BYE and the end
//
// A push is `* OK [PUSH number nanoseconds]`: numbers from 1 in each IDLE, the monotonic clock's
// time.
class Session : public EventLoop::Watcher {
 public:
  Session(Server& server, int fd, std::size_t slot);
  ~Session() override;

  [[nodiscard]] std::size_t slot() const { return slot_; }
  // Differs from IDLE to IDLE of all sessions; 0 outside IDLE.
  [[nodiscard]] std::uint64_t idle_number() const { return idle_number_; }
  [[nodiscard]] std::int64_t push_interval_ns() const { return push_interval_ns_; }
  // One push, when in IDLE.
  void push();

 private:
  enum class State : std::uint8_t {
    kCommand,          // a command line or the rest of one behind a literal
    kArgumentLiteral,  // bytes that belong to the command
    kAppendLiteral,    // bytes of a message
    kSasl,             // a client's SASL response
    kIdle,             // DONE
  };

  void on_ready(unsigned events) override;
  void read_input();
  void take(std::string_view bytes);
  std::size_t take_literal(std::string_view bytes);
  void take_line(std::string_view line);
  bool begin_literal(std::string_view line);
  void execute(std::string_view command);
  void execute_fetch(std::string_view tag, std::string_view arguments, bool by_uid);
  void begin_sasl(std::string_view arguments);
  void take_sasl(std::string_view response);
  void log_in(std::string_view user);
  void begin_idle();
  void finish(std::string_view result);
  void reply(std::string_view text);
  void flush();
  bool write_once();  // false: no more now, or closed
  void note_sent(std::uint64_t sent);
  void set_interest();
  void close();

  [[nodiscard]] bool has_output() const;

  Server& server_;
  int fd_;
  std::size_t slot_;
  State state_ = State::kCommand;
  bool bye_ = false;    // close once everything is written
  bool intact_ = true;  // of the message being appended
  bool sasl_login_ = false;
  unsigned interest_;
  Message message_;

  std::string partial_;  // input not yet understood: the begin of a line, or all that came while a
                         // body goes out
  std::string command_;  // the lines of a command so far
  std::string tag_;      // of the command that IDLE, SASL and APPEND finish later
  std::vector<std::string> literals_;
  std::uint64_t literal_left_ = 0;
  std::uint64_t literal_offset_ = 0;

  // Output, in this order: head, body, tail.
  std::string head_;
  std::size_t head_sent_ = 0;
  std::uint64_t body_offset_ = 0;
  std::uint64_t body_left_ = 0;
  std::string tail_;

  std::uint64_t idle_number_ = 0;
  std::uint64_t pushes_ = 0;
  std::int64_t push_interval_ns_;
};

}  // namespace headgate::bench
