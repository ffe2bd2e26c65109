// The lexer of commands: the same commands must come out whatever way the bytes are cut, and what
// is held stays within the limits.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "imap/command.h"
#include "imap/command_reader.h"
#include "imap/login_command.h"

namespace {

using headgate::imap::Command;
using headgate::imap::CommandReader;
using Event = CommandReader::Event;

constexpr std::size_t kMaxLine = 200;
constexpr std::size_t kMaxLiteral = 50;

// `chunk` bytes at a time. Gives all events and texts.
std::string read(std::string_view in, std::size_t chunk) {
  CommandReader reader(kMaxLine);
  std::string log;
  std::size_t literals = 0;
  while (!in.empty()) {
    std::string_view piece = in.substr(0, chunk);
    in.remove_prefix(piece.size());
    while (true) {
      const auto [consumed, event] = reader.feed(piece);
      piece.remove_prefix(consumed);
      if (event == Event::kNone) {
        break;
      }
      log += std::to_string(static_cast<int>(event)) + (reader.bare_line_feed() ? "!" : "") + '<';
      log += reader.text();
      log += ">\n";
      const auto line = headgate::imap::split_command(reader.text());
      if (reader.text().size() > kMaxLine + (literals + 1) * (kMaxLiteral + 2)) {
        std::abort();
      }
      if (event == Event::kCommand) {
        headgate::imap::LoginArguments login;
        if (headgate::imap::parse_login(line.arguments, login) == headgate::imap::Parse::kOk) {
          log += login.user.view();
          log += login.password.view();
        }
        reader.next();
        literals = 0;
      } else if (event == Event::kLiteral) {
        if (reader.literal().size <= kMaxLiteral && line.command == Command::kLogin) {
          reader.accept_literal();
          ++literals;
        } else {
          reader.skip();
        }
      } else if (event == Event::kSkipped) {
        literals = 0;
      }
    }
    if (!piece.empty()) {
      std::abort();
    }
  }
  return log;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) {
    return 0;
  }
  const std::string_view in(reinterpret_cast<const char*>(data) + 1, size - 1);
  const std::string whole = read(in, in.npos);
  if (read(in, 1) != whole || read(in, 2 + data[0] % 64) != whole) {
    std::abort();
  }
  return 0;
}
