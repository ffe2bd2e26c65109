#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace headgate::imap {

// Cuts a backend's bytes into responses: a line, and for untagged data the literals that it
// announces with the lines behind them. Status responses end with free text, in which "{5}"
// announces nothing.
class ResponseReader {
 public:
  // Bytes of a response without its literals.
  static constexpr std::size_t kMaxLine = 65536;
  // Of literals, as many bytes are kept as let a response be passed on; what is longer is read but
  // not kept.
  static constexpr std::size_t kMaxKept = 16384;

  enum class Event : std::uint8_t {
    kNone,      // the input is used up and nothing is complete
    kResponse,  // text() is a whole response
    kTooLong,   // beyond kMaxLine, or a literal of a size that cannot be meant: no way on
  };
  struct Result {
    std::size_t consumed = 0;
    Event event = Event::kNone;
  };

  // Takes bytes up to the next event; the response before is gone then.
  Result feed(std::string_view in);
  // Without its last line end (CRLF, or LF alone); literals stand in it behind CRLF. Borrowed from
  // the input or the reader: gone with the next call.
  [[nodiscard]] std::string_view text() const { return text_; }
  // Bytes of a literal are missing from text().
  [[nodiscard]] bool truncated() const { return truncated_; }
  // Forgets a response that has begun.
  void reset();

 private:
  Result feed_line(std::string_view in);
  std::size_t feed_literal(std::string_view in);

  bool done_ = false;  // text_ was given out
  bool truncated_ = false;
  std::string held_;              // of the response, what came with earlier calls
  std::size_t line_start_ = 0;    // of the current line in held_
  std::size_t lines_before_ = 0;  // bytes of the earlier lines
  std::uint64_t literal_left_ = 0;
  std::string_view text_;
};

}  // namespace headgate::imap
