#include "imap/farewell.h"

#include <algorithm>
#include <optional>

#include "base/ascii.h"
#include "imap/response_line.h"
#include "imap/syntax.h"

namespace headgate::imap {
namespace {

using Kind = ResponseLine::Kind;

constexpr std::string_view kLineEnd = "\r\n";

// Takes the last line off, without its CRLF. None: no whole line is left. `text` ends in CRLF.
std::optional<std::string_view> take_last_line(StreamTail& text) {
  if (text.bytes.empty()) {
    return std::nullopt;
  }
  const std::string_view line = text.bytes.substr(0, text.bytes.size() - kLineEnd.size());
  const std::size_t before = line.rfind(kLineEnd);
  if (before == line.npos) {
    text.bytes = {};
    return text.whole ? std::optional(line) : std::nullopt;
  }
  const std::size_t begin = before + kLineEnd.size();
  text.bytes = text.bytes.substr(0, begin);
  return line.substr(begin);
}

// What the client waits for, as far as its tail shows it.
struct Asked {
  std::string_view tag;  // of the last command
  bool idle = false;     // it is an IDLE that goes on
};

std::optional<Asked> last_command(StreamTail to_backend) {
  auto line = take_last_line(to_backend);
  const bool done = line && equals_ignoring_case(*line, "DONE");
  if (done) {
    line = take_last_line(to_backend);  // the IDLE that it ends
  }
  if (!line) {
    return std::nullopt;
  }
  const std::size_t space = line->find(' ');
  if (space == line->npos || !is_tag(line->substr(0, space))) {
    return std::nullopt;
  }
  const bool idle = equals_ignoring_case(line->substr(space + 1), "IDLE");
  if (done && !idle) {
    return std::nullopt;
  }
  return Asked{line->substr(0, space), idle && !done};
}

bool is_tagged_completion(const ResponseLine& response) {
  return response.kind == Kind::kStatus && !response.untagged();
}

// Data that a server sends of itself. Words, which begin lines of mail too, are few.
bool is_news(const ResponseLine& response) {
  return std::ranges::all_of(response.word, [](char byte) { return byte >= '0' && byte <= '9'; }) ||
         response.word == "FLAGS" || response.word == "LIST" || response.word == "STATUS" ||
         response.word == "VANISHED";
}

// All that is known must be what is said around the beginning of an IDLE and during it, since one
// line alone may as well be of a message that was asked for before.
bool is_all_news(StreamTail to_client) {
  bool any = false;
  int continuations = 0;
  while (const auto line = take_last_line(to_client)) {
    const ResponseLine response = parse_response(*line);
    continuations += response.kind == Kind::kContinuation ? 1 : 0;
    if (response.kind == Kind::kGarbage || line->ends_with('}') || continuations > 1 ||
        (response.kind == Kind::kData && !is_news(response))) {
      return false;
    }
    any = true;
  }
  return any;
}

}  // namespace

bool between_responses(const StreamTail& to_backend, const StreamTail& to_client) {
  if (!to_client.bytes.ends_with(kLineEnd)) {
    return false;
  }
  if (to_backend.whole && to_backend.bytes.empty()) {
    return true;
  }
  if (!to_backend.bytes.ends_with(kLineEnd)) {
    return false;
  }
  const auto asked = last_command(to_backend);
  if (!asked) {
    return false;
  }
  if (asked->idle) {
    return is_all_news(to_client);
  }
  StreamTail rest = to_client;
  const auto line = take_last_line(rest);
  if (!line) {
    return false;
  }
  const ResponseLine response = parse_response(*line);
  return is_tagged_completion(response) && response.tag == asked->tag;
}

bool end_announced(const StreamTail& to_backend, const StreamTail& to_client) {
  StreamTail asked = to_backend;
  if (asked.bytes.ends_with(kLineEnd)) {
    const std::string_view line = take_last_line(asked).value_or("");
    if (equals_ignoring_case(line.substr(line.find(' ') + 1), "LOGOUT")) {
      return true;
    }
  }
  constexpr std::string_view kBye = "* BYE";
  const std::string_view said = to_client.bytes;
  for (std::size_t at = said.find('*'); at != said.npos; at = said.find('*', at + 1)) {
    if (equals_ignoring_case(said.substr(at, kBye.size()), kBye)) {
      return true;
    }
  }
  return false;
}

std::string established_farewell(dialogue::CloseReason reason) {
  const std::string_view text = info(reason).farewell;
  if (text.empty()) {
    return {};
  }
  std::string line = "* BYE ";
  line += reason == dialogue::CloseReason::kIdleTimeout ? "" : "[UNAVAILABLE] ";
  line += text;
  line += kLineEnd;
  return line;
}

}  // namespace headgate::imap
