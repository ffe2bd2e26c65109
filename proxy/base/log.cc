#include "base/log.h"

#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <iterator>

#include "base/utf8.h"

namespace headgate::log {
namespace {

// Relaxed is enough: both are set before the first thread.
std::atomic<Level> least_level{Level::kInfo};
std::atomic<Format> line_format{Format::kText};

// A value longer than this is cut: no client can make one line fill the disk.
constexpr std::size_t kLongestValue = 4096;
constexpr std::string_view kCut = "…";

using Line = fmt::memory_buffer;

void put(Line& line, std::string_view text) {
  line.append(text.data(), text.data() + text.size());
}

struct CodePoint {
  std::size_t length = 0;  // bytes; 0: the first byte begins no valid UTF-8
  std::uint32_t value = 0;
};

// The code point at the front of `text`, which is not empty.
CodePoint decode(std::string_view text) {
  const std::size_t length = utf8_length(text);
  if (length <= 1) {
    return {length, static_cast<std::uint8_t>(text.front())};
  }
  std::uint32_t value = static_cast<std::uint8_t>(text.front()) & (0x7FU >> length);
  for (std::size_t at = 1; at < length; ++at) {
    value = (value << 6) | (static_cast<std::uint8_t>(text[at]) & 0x3FU);
  }
  return {length, value};
}

// Whether a terminal or a log reader could take it for more than a visible character: controls (C1
// holds a terminal's CSI), line separators, and marks that turn the reading direction.
bool is_control(std::uint32_t value) {
  return value < 0x20 || (value >= 0x7F && value <= 0x9F) || value == 0x2028 || value == 0x2029 ||
         (value >= 0x202A && value <= 0x202E) || (value >= 0x2066 && value <= 0x2069) ||
         value == 0x200E || value == 0x200F || value == 0xFEFF;
}

// Cuts at a character's start where the text is UTF-8.
std::string_view bounded(std::string_view text) {
  if (text.size() <= kLongestValue) {
    return text;
  }
  std::size_t length = kLongestValue;
  while (length > kLongestValue - 4 && (static_cast<std::uint8_t>(text[length]) & 0xC0) == 0x80) {
    --length;
  }
  return text.substr(0, length);
}

void put_json_escape(Line& line, std::uint32_t value) {
  switch (value) {
    case '"':
      return put(line, "\\\"");
    case '\\':
      return put(line, "\\\\");
    case '\n':
      return put(line, "\\n");
    case '\r':
      return put(line, "\\r");
    case '\t':
      return put(line, "\\t");
    default:
      fmt::format_to(std::back_inserter(line), "\\u{:04x}", value);
  }
}

// The inside of a JSON string (RFC 8259 section 7). A byte that is no UTF-8 becomes U+FFFD.
void put_json(Line& line, std::string_view whole) {
  std::string_view text = bounded(whole);
  while (!text.empty()) {
    const CodePoint point = decode(text);
    if (point.length == 0) {
      put(line, "\\ufffd");
      text.remove_prefix(1);
      continue;
    }
    if (is_control(point.value) || point.value == '"' || point.value == '\\') {
      put_json_escape(line, point.value);
    } else {
      put(line, text.substr(0, point.length));
    }
    text.remove_prefix(point.length);
  }
  if (whole.size() > kLongestValue) {
    put(line, kCut);
  }
}

// The inside of a quoted value in a text line: \" \\ \n \r \t, and \xNN for each byte of anything
// else that is not a visible character.
void put_text(Line& line, std::string_view whole) {
  std::string_view text = bounded(whole);
  while (!text.empty()) {
    const CodePoint point = decode(text);
    const std::size_t length = point.length == 0 ? 1 : point.length;
    const char front = text.front();
    if (front == '"' || front == '\\') {
      put(line, front == '"' ? "\\\"" : "\\\\");
    } else if (front == '\n' || front == '\r' || front == '\t') {
      put(line, front == '\n' ? "\\n" : front == '\r' ? "\\r" : "\\t");
    } else if (point.length == 0 || is_control(point.value)) {
      for (const char byte : text.substr(0, length)) {
        fmt::format_to(std::back_inserter(line), "\\x{:02X}", static_cast<std::uint8_t>(byte));
      }
    } else {
      put(line, text.substr(0, length));
    }
    text.remove_prefix(length);
  }
  if (whole.size() > kLongestValue) {
    put(line, kCut);
  }
}

// Whether a value can stand in a text line as it is.
bool is_plain(std::string_view text) {
  if (text.empty() || text.size() > kLongestValue) {
    return false;
  }
  while (!text.empty()) {
    const CodePoint point = decode(text);
    if (point.length == 0 || is_control(point.value) || point.value == ' ' || point.value == '"' ||
        point.value == '\\' || point.value == '=') {
      return false;
    }
    text.remove_prefix(point.length);
  }
  return true;
}

void put_json_value(Line& line, std::string_view text) {
  put(line, "\"");
  put_json(line, text);
  put(line, "\"");
}
void put_json_value(Line& line, double value) {
  if (std::isfinite(value)) {
    fmt::format_to(std::back_inserter(line), "{}", value);
  } else {
    put(line, "null");
  }
}
void put_json_value(Line& line, auto value) {
  fmt::format_to(std::back_inserter(line), "{}", value);
}

void put_text_value(Line& line, std::string_view text) {
  if (is_plain(text)) {
    return put(line, text);
  }
  put(line, "\"");
  put_text(line, text);
  put(line, "\"");
}
void put_text_value(Line& line, auto value) {
  fmt::format_to(std::back_inserter(line), "{}", value);
}

// "2026-11-21T22:00:00.123Z"
void put_time(Line& line) {
  namespace chrono = std::chrono;
  const auto now = chrono::floor<chrono::milliseconds>(chrono::system_clock::now());
  const auto day = chrono::floor<chrono::days>(now);
  const chrono::year_month_day date{day};
  const chrono::hh_mm_ss time{now - day};
  fmt::format_to(std::back_inserter(line), "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z",
                 static_cast<int>(date.year()), static_cast<unsigned>(date.month()),
                 static_cast<unsigned>(date.day()), time.hours().count(), time.minutes().count(),
                 time.seconds().count(), time.subseconds().count());
}

constexpr std::array<std::string_view, 4> kLevelNames = {"debug", "info", "warning", "error"};

std::string_view name(Level level) {
  return kLevelNames[static_cast<std::size_t>(level)];
}

void put_json_line(Line& line, Level level, std::string_view event, const Field* fields,
                   std::size_t count) {
  put(line, R"({"time":")");
  put_time(line);
  put(line, R"(","level":")");
  put(line, name(level));
  put(line, R"(","event":)");
  put_json_value(line, event);
  for (std::size_t at = 0; at < count; ++at) {
    put(line, ",");
    put_json_value(line, fields[at].key);
    put(line, ":");
    std::visit([&](const auto& value) { put_json_value(line, value); }, fields[at].value);
  }
  put(line, "}\n");
}

void put_text_line(Line& line, Level level, std::string_view event, const Field* fields,
                   std::size_t count) {
  put_time(line);
  fmt::format_to(std::back_inserter(line), " {:<7} ", name(level));
  put_text(line, event);
  put(line, count == 0 ? "" : " ");
  for (std::size_t at = 0; at < count; ++at) {
    put(line, " ");
    put_text(line, fields[at].key);
    put(line, "=");
    std::visit([&](const auto& value) { put_text_value(line, value); }, fields[at].value);
  }
  put(line, "\n");
}

// One write(2) a line, so that lines of several threads never mix. What standard error does not
// take for good (closed, disk full) is lost: there is nobody left to tell.
void put_out(std::string_view line) {
  while (!line.empty()) {
    const ssize_t written = ::write(STDERR_FILENO, line.data(), line.size());
    if (written >= 0) {
      line.remove_prefix(static_cast<std::size_t>(written));
    } else if (errno == EAGAIN) {
      pollfd waiting{.fd = STDERR_FILENO, .events = POLLOUT, .revents = 0};
      ::poll(&waiting, 1, -1);
    } else if (errno != EINTR) {
      return;
    }
  }
}

}  // namespace

void configure(Level level, Format format) {
  least_level.store(level, std::memory_order_relaxed);
  line_format.store(format, std::memory_order_relaxed);
}

bool enabled(Level level) {
  return level >= least_level.load(std::memory_order_relaxed);
}

void write(Level level, std::string_view event, std::initializer_list<Field> fields) {
  write(level, event, fields.begin(), fields.size());
}

void write(Level level, std::string_view event, const Field* fields, std::size_t count) {
  if (!enabled(level)) {
    return;
  }
  Line line;
  if (line_format.load(std::memory_order_relaxed) == Format::kJson) {
    put_json_line(line, level, event, fields, count);
  } else {
    put_text_line(line, level, event, fields, count);
  }
  put_out({line.data(), line.size()});
}

}  // namespace headgate::log
