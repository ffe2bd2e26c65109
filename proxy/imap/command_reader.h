#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/secret.h"
#include "imap/literal.h"

namespace headgate::imap {

// Cuts a client's bytes into commands: lines, and the literals they announce. Knows nothing of what
// a command means; whoever reads decides about each literal, so that none is asked for or kept that
// the command cannot use. A command that came in one piece is never copied.
class CommandReader {
 public:
  enum class Event : std::uint8_t {
    kNone,      // the input is used up and nothing is complete
    kCommand,   // text() is a whole command; next() when done with it
    kLiteral,   // text() so far ends with the announcement literal(): accept_literal() or skip()
    kOverlong,  // the lines of this command pass the limit, text() is how it begins; it is skipped
    kSkipped,   // the command that is skipped is over, and the next may come
  };
  struct Result {
    std::size_t consumed = 0;
    Event event = Event::kNone;
  };

  // How long a command may become that begins like this and has passed the limit of all others.
  // `max_sasl` is the reader's.
  using LongerLimit = std::size_t (*)(std::string_view begin, std::size_t max_sasl);
  static constexpr std::size_t kBeginSize = 256;

  // `max_line` bounds the bytes of a command without its literals and line ends; `longer`, where it
  // allows more, those of some. It sees kBeginSize bytes at most.
  // `max_sasl` bounds SASL responses, where it is larger.
  explicit CommandReader(std::size_t max_line, LongerLimit longer = nullptr,
                         std::size_t max_sasl = 0)
      : max_line_(max_line), max_sasl_(max_sasl), longer_(longer) {}

  // Takes bytes up to the next event. To be called again, with the rest or with nothing, until it
  // gives kNone.
  Result feed(std::string_view in);

  // The command without its last line end; literals stand in it as they were sent. Borrowed from
  // the input or from the reader: gone with the next call or the return to the caller of feed()'s
  // caller.
  [[nodiscard]] std::string_view text() const { return text_; }
  // After kCommand and kLiteral: a line of it ended without CR.
  [[nodiscard]] bool bare_line_feed() const { return bare_line_feed_; }
  [[nodiscard]] const LiteralHeader& literal() const { return literal_; }

  // Keeps the announced bytes as part of the command.
  void accept_literal();
  // After kLiteral: reads the rest of the command without keeping any of it. Behind a synchronizing
  // announcement there is no rest, since a client that gets no "+" sends no more.
  void skip();
  // Wipes the command.
  void next();
  // Whether lines announce literals; false while lines are SASL responses.
  void set_literals(bool literals) { literals_ = literals; }

 private:
  enum class Phase : std::uint8_t { kLine, kLiteral, kSkipLine, kSkipLiteral, kSkipOver };

  Result feed_phase(std::string_view in);
  Result feed_line(std::string_view in);
  Result feed_literal(std::string_view in);
  Result feed_skipped_line(std::string_view in);
  Result feed_skipped_literal(std::string_view in);
  Result overlong(std::string_view piece);
  [[nodiscard]] bool may_be_longer(std::size_t size, std::string_view piece) const;
  void keep_tail(std::string_view bytes);

  std::size_t max_line_;
  std::size_t max_sasl_;
  LongerLimit longer_;
  Phase phase_ = Phase::kLine;
  bool literals_ = true;
  bool bare_line_feed_ = false;
  LiteralHeader literal_;
  // What of the command came with earlier calls; may hold credentials.
  Secret held_;
  // Where the current line begins in held_.
  std::size_t line_start_ = 0;
  // Bytes of the command's earlier lines.
  std::size_t lines_before_ = 0;
  // Of the accepted or skipped literal, bytes still to come.
  std::uint64_t literal_left_ = 0;
  std::string_view text_;
  // While skipping: the end of the line so far, enough to see an announcement; wiped like held_.
  Secret tail_;
};

}  // namespace headgate::imap
