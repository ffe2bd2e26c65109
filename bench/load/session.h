#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "common/message.h"
#include "load/bench.h"
#include "load/connection.h"

namespace headgate::bench {

// An IMAP client: greeting, STARTTLS when asked for, LOGIN, then one command at a time. Literals it
// receives are compared with the user's Message.
class Session : Connection::User {
 public:
  // Who is told what happens; the modes.
  class User {
   public:
    virtual ~User() = default;
    virtual void on_ready(Session& session) = 0;           // logged in
    virtual void on_reply(Session& session, bool ok) = 0;  // the command's tagged reply
    virtual void on_continue(Session& /*session*/) {}      // "+"
    virtual void on_untagged(Session& /*session*/, std::string_view /*line*/) {}  // behind "* "
    virtual void on_drained(Session& /*session*/) {}
    // The connection ended or the login was refused; open() may be called again.
    virtual void on_closed(Session& session, std::string_view reason) = 0;
  };

  // `number`: which user this is, and what the modes know the session by.
  Session(Bench& bench, User& user, unsigned number);

  void open();
  void close();
  // Sends a tag, a space, `text` and, unless the text ends with a literal's head, CRLF.
  void command(std::string_view text);
  // Bytes that belong to a command: a literal, DONE.
  void send(std::string_view bytes) { connection_.send(bytes); }
  void forget_ticket() { connection_.forget_ticket(); }

  [[nodiscard]] unsigned number() const { return number_; }
  [[nodiscard]] const Message& message() const { return message_; }
  [[nodiscard]] bool is_ready() const { return state_ == State::kReady; }
  [[nodiscard]] bool drained() const { return connection_.drained(); }
  [[nodiscard]] bool resumed() const { return connection_.resumed(); }
  // False once a literal held other bytes than it should; stays so.
  [[nodiscard]] bool intact() const { return intact_; }
  // Bytes of literals since the last command() was called.
  [[nodiscard]] std::uint64_t literal_bytes() const { return literal_bytes_; }
  [[nodiscard]] std::int64_t opened_at() const { return opened_at_; }
  [[nodiscard]] std::int64_t secured_at() const { return secured_at_; }
  [[nodiscard]] std::int64_t command_at() const { return command_at_; }

 private:
  enum class State : std::uint8_t { kClosed, kConnecting, kGreeting, kStartTls, kLogin, kReady };

  void on_connected() override;
  void on_secured() override;
  void on_bytes(std::string_view bytes) override;
  void on_drained() override;
  void on_closed(std::string_view reason) override;

  std::size_t take_literal(std::string_view bytes);
  void take_line(std::string_view line);
  void take_greeting(std::string_view line);
  void take_tagged(std::string_view result);
  void log_in();
  void give_up(std::string_view reason);

  Bench& bench_;
  User& user_;
  unsigned number_;
  std::string name_;
  Message message_;
  Connection connection_;
  State state_ = State::kClosed;
  std::uint32_t tag_number_ = 0;
  std::string tag_;
  std::string partial_;  // the begin of a line
  std::uint64_t literal_left_ = 0;
  std::uint64_t literal_offset_ = 0;
  std::uint64_t literal_bytes_ = 0;
  bool behind_literal_ = false;  // the next line goes on with a response
  bool intact_ = true;
  std::int64_t opened_at_ = 0;
  std::int64_t secured_at_ = 0;
  std::int64_t command_at_ = 0;
};

}  // namespace headgate::bench
