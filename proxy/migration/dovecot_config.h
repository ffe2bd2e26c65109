#pragma once

#include <chrono>
#include <cstddef>
#include <expected>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace headgate::migration {

// One setting of a Dovecot configuration, or one block with what is in its braces.
struct DovecotSetting {
  std::string key;    // of a block: what it is, "service"
  std::string value;  // of a block: its name, often empty; "</path" where the value is in a file
  int line = 0;       // from 1
  bool is_block = false;
  bool quoted = false;  // what looks like a variable in the value is none
  std::vector<DovecotSetting> block;
};

inline constexpr std::size_t kMostDovecotSettings = 100'000;
inline constexpr std::size_t kDeepestDovecotBlock = 16;

// Lines, comments, quotes, continuations and braces as Dovecot 2.3 reads them, in dovecot.conf and
// in what doveconf prints. `!include FILE` is a setting with that key. Variables ($name) stay as
// they are. The error is "LINE: expected …" and repeats nothing of the file.
std::expected<std::vector<DovecotSetting>, std::string> parse_dovecot_config(std::string_view text);

// Puts values in the place of variables, each a word of a value: $NAME, in 2.4 $SET:NAME, is what a
// setting before says, in the same block or one around it. Tells `unknown` the line of each that
// stays as it is, and which it is: $ENV:NAME, one that is not set before, and what is beyond
// kMostDovecotExpanded bytes in all.
inline constexpr std::size_t kMostDovecotExpanded = 1U << 20;
void expand_dovecot_variables(std::vector<DovecotSetting>& settings,
                              const std::function<void(int line, const std::string&)>& unknown);

// "15 min", "30s", "500 msecs", "2 hours", "90" (seconds); nullopt for anything else.
std::optional<std::chrono::milliseconds> parse_dovecot_time(std::string_view text);

// The words of a value, which white space separates.
std::vector<std::string> dovecot_words(std::string_view text);

// "key=value" words; "key" alone has an empty value.
std::vector<std::pair<std::string, std::string>> dovecot_fields(std::string_view text);

// yes, y, true or 1.
bool dovecot_yes(std::string_view value);

}  // namespace headgate::migration
