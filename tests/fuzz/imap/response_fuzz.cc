// The lexer and the parser of responses: the same whatever way the bytes are cut, and bounded.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "imap/response_line.h"
#include "imap/response_reader.h"

namespace {

using headgate::imap::ResponseReader;

std::string read(std::string_view in, std::size_t chunk) {
  ResponseReader reader;
  std::string log;
  while (!in.empty()) {
    std::string_view piece = in.substr(0, chunk);
    in.remove_prefix(piece.size());
    while (true) {
      const auto [consumed, event] = reader.feed(piece);
      piece.remove_prefix(consumed);
      if (event == ResponseReader::Event::kNone) {
        break;
      }
      if (event == ResponseReader::Event::kTooLong) {
        return log + "too long";
      }
      if (reader.text().size() > ResponseReader::kMaxLine + ResponseReader::kMaxKept + 4096) {
        std::abort();
      }
      const auto line = headgate::imap::parse_response(reader.text());
      log += std::to_string(static_cast<int>(line.kind)) + '<';
      log += reader.text();
      log += "><";
      log += line.code;
      log += '>';
      log += reader.truncated() ? "!" : "";
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
