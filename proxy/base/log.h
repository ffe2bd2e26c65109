#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <variant>

#include "base/secret.h"

namespace headgate::log {

enum class Level : std::uint8_t { kDebug, kInfo, kWarning, kError };
enum class Format : std::uint8_t { kText, kJson };

// A value of a field. Text may be anything; it is escaped by the writer. There is no way to give
// a Secret.
using Value = std::variant<std::string_view, std::int64_t, std::uint64_t, double, bool>;
struct Field {
  std::string_view key;
  Value value;
};

// Once, before the first thread. Lines go to standard error.
void configure(Level level, Format format);
[[nodiscard]] bool enabled(Level level);

// One line: time, level, event ("session end", "backend down"), then the fields in order.
// Text:  2026-11-21T22:00:00.123Z info  session end  session=… user=alice@example.org …
// JSON:  {"time":"…","level":"info","event":"session end","session":"…",…}
// Thread-safe; never blocks on anything but standard error itself.
void write(Level level, std::string_view event, std::initializer_list<Field> fields = {});
void write(Level level, std::string_view event, const Field* fields, std::size_t count);

inline void debug(std::string_view event, std::initializer_list<Field> fields = {}) {
  if (enabled(Level::kDebug)) {
    write(Level::kDebug, event, fields);
  }
}
inline void info(std::string_view event, std::initializer_list<Field> fields = {}) {
  if (enabled(Level::kInfo)) {
    write(Level::kInfo, event, fields);
  }
}
inline void warning(std::string_view event, std::initializer_list<Field> fields = {}) {
  if (enabled(Level::kWarning)) {
    write(Level::kWarning, event, fields);
  }
}
inline void error(std::string_view event, std::initializer_list<Field> fields = {}) {
  write(Level::kError, event, fields);
}

}  // namespace headgate::log
