#include "migration/dovecot_config.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <map>
#include <ranges>

namespace headgate::migration {
namespace {

constexpr std::string_view kBlank = " \t\r";

std::string_view trimmed(std::string_view text) {
  const std::size_t first = text.find_first_not_of(kBlank);
  if (first == std::string_view::npos) {
    return "";
  }
  return text.substr(first, text.find_last_not_of(kBlank) - first + 1);
}

// Up to a '#' that begins a comment: at the beginning or behind white space, and in no quotes.
std::string_view without_comment(std::string_view line) {
  char quote = '\0';
  for (std::size_t i = 0; i < line.size(); ++i) {
    const char c = line[i];
    if (quote != '\0') {
      i += c == '\\' ? 1U : 0U;
      quote = c == quote ? '\0' : quote;
    } else if (c == '"' || c == '\'') {
      quote = c;
    } else if (c == '#' && (i == 0 || kBlank.contains(line[i - 1]))) {
      return trimmed(line.substr(0, i));
    }
  }
  return line;
}

std::string unquoted(std::string_view value) {
  const bool quoted = value.size() >= 2 && (value.front() == '"' || value.front() == '\'') &&
                      value.front() == value.back();
  if (!quoted) {
    return std::string(value);
  }
  std::string out;
  const std::string_view inner = value.substr(1, value.size() - 2);
  for (std::size_t i = 0; i < inner.size(); ++i) {
    i += inner[i] == '\\' && i + 1 < inner.size() ? 1U : 0U;
    out += inner[i];
  }
  return out;
}

class DovecotParser {
 public:
  using Settings = std::vector<DovecotSetting>;

  explicit DovecotParser(std::string_view text) : text_(text) {}

  // Up to the brace that ends the block, or to the end of the text.
  std::expected<Settings, std::string> block(std::size_t depth) {
    Settings settings;
    while (next_line()) {
      if (line_ == "}") {
        if (depth == 0) {
          return expected("a setting, found '}'");
        }
        return settings;
      }
      if (++count_ > kMostDovecotSettings) {
        return expected(fmt::format("at most {} settings", kMostDovecotSettings));
      }
      auto setting = read(depth);
      if (!setting) {
        return std::unexpected(setting.error());
      }
      settings.push_back(*std::move(setting));
    }
    if (depth != 0) {
      return expected("'}', found the end of the file");
    }
    return settings;
  }

 private:
  // The next line that says something, continuations included, goes to line_.
  bool next_line() {
    line_.clear();
    while (at_ < text_.size()) {
      const std::size_t end = std::min(text_.find('\n', at_), text_.size());
      std::string_view part = trimmed(text_.substr(at_, end - at_));
      at_ = end + 1;
      ++read_;
      if (line_.empty()) {
        number_ = read_;
      }
      part = without_comment(part);
      const bool continued = part.ends_with('\\');
      if (continued) {
        part = trimmed(part.substr(0, part.size() - 1));
      }
      line_ += line_.empty() || part.empty() ? "" : " ";
      line_ += part;
      if (!continued && !line_.empty()) {
        return true;
      }
    }
    return !line_.empty();
  }

  std::expected<DovecotSetting, std::string> read(std::size_t depth) {
    const std::string_view line = line_;
    const std::size_t end = std::min(line.find_first_of(" \t={"), line.size());
    DovecotSetting setting;
    setting.key = line.substr(0, end);
    setting.line = number_;
    std::string_view rest = trimmed(line.substr(end));
    if (setting.key.empty()) {
      return expected("KEY = VALUE, NAME { or }");
    }
    if (setting.key.starts_with('!')) {
      setting.value = rest;
      return setting;
    }
    if (rest.starts_with('=')) {
      const std::string_view value = trimmed(rest.substr(1));
      setting.value = unquoted(value);
      setting.quoted = value.starts_with('"') || value.starts_with('\'');
      return setting;
    }
    const bool empty = rest.ends_with('}');
    rest = empty ? trimmed(rest.substr(0, rest.size() - 1)) : rest;
    if (!rest.ends_with('{')) {
      return expected("KEY = VALUE, NAME { or }");
    }
    setting.is_block = true;
    setting.value = unquoted(trimmed(rest.substr(0, rest.size() - 1)));
    if (empty) {
      return setting;
    }
    if (depth == kDeepestDovecotBlock) {
      return expected(fmt::format("blocks at most {} deep", kDeepestDovecotBlock));
    }
    auto inner = block(depth + 1);
    if (!inner) {
      return std::unexpected(inner.error());
    }
    setting.block = *std::move(inner);
    return setting;
  }

  [[nodiscard]] std::unexpected<std::string> expected(std::string_view what) const {
    return std::unexpected(fmt::format("{}: expected {}", std::max(number_, 1), what));
  }

  std::string_view text_;
  std::size_t at_ = 0;
  std::string line_;
  int number_ = 0;  // of the line where line_ begins
  int read_ = 0;
  std::size_t count_ = 0;
};

class VariableExpander {
 public:
  using Unknown = std::function<void(int line, const std::string&)>;

  explicit VariableExpander(const Unknown& unknown) : unknown_(unknown) {}

  void block(std::vector<DovecotSetting>& settings) {
    scopes_.emplace_back();
    for (DovecotSetting& setting : settings) {
      if (setting.is_block) {
        block(setting.block);
        continue;
      }
      if (!setting.quoted && setting.value.contains('$')) {
        expand(setting);
      }
      scopes_.back().insert_or_assign(setting.key, &setting.value);
    }
    scopes_.pop_back();
  }

 private:
  void expand(DovecotSetting& setting) {
    std::string out;
    std::string_view rest = setting.value;
    while (!rest.empty()) {
      const std::size_t blanks = std::min(rest.find_first_not_of(" \t"), rest.size());
      out += rest.substr(0, blanks);
      rest.remove_prefix(blanks);
      const std::string_view word = rest.substr(0, rest.find_first_of(" \t"));
      rest.remove_prefix(word.size());
      const std::string* value = nullptr;
      if (is_variable(word)) {
        value = find(word);
        if (value == nullptr || expanded_ + value->size() > kMostDovecotExpanded) {
          value = nullptr;
          unknown_(setting.line, std::string(word));
        } else {
          expanded_ += value->size();
        }
      }
      out += value != nullptr ? std::string_view(*value) : word;
    }
    setting.value = trimmed(out);
  }

  // Anything else that begins so is text, a password perhaps.
  static bool is_variable(std::string_view word) {
    constexpr std::string_view kBytes =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_:/";
    constexpr std::size_t kLongestName = 64;
    return word.size() > 1 && word.size() <= kLongestName && word.front() == '$' &&
           word.find_first_not_of(kBytes, 1) == std::string_view::npos;
  }

  [[nodiscard]] const std::string* find(std::string_view variable) const {
    variable.remove_prefix(variable.starts_with("$SET:") ? 5 : 1);
    for (const auto& scope : scopes_ | std::views::reverse) {
      if (const auto found = scope.find(variable); found != scope.end()) {
        return found->second;
      }
    }
    return nullptr;
  }

  const Unknown& unknown_;
  std::size_t expanded_ = 0;
  std::vector<std::map<std::string, const std::string*, std::less<>>> scopes_;
};

}  // namespace

std::expected<std::vector<DovecotSetting>, std::string> parse_dovecot_config(
    std::string_view text) {
  return DovecotParser(text).block(0);
}

void expand_dovecot_variables(std::vector<DovecotSetting>& settings,
                              const std::function<void(int line, const std::string&)>& unknown) {
  VariableExpander(unknown).block(settings);
}

std::optional<std::chrono::milliseconds> parse_dovecot_time(std::string_view text) {
  constexpr std::array<std::pair<std::string_view, std::int64_t>, 6> kUnits = {
      {{"ms", 1},
       {"s", 1000},
       {"m", 60'000},
       {"h", 3'600'000},
       {"d", 86'400'000},
       {"w", 604'800'000}}};
  constexpr std::int64_t kMost = 1'000'000;  // of any unit: far from overflow
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || number < 0 || number > kMost) {
    return std::nullopt;
  }
  const std::string_view unit = trimmed(text.substr(static_cast<std::size_t>(end - text.data())));
  if (unit.empty()) {
    return std::chrono::seconds(number);
  }
  for (const auto& [name, factor] : kUnits) {
    // "min", "mins", "minutes" and so on: Dovecot looks at the beginning.
    const bool milli = unit.starts_with("ms") || unit.starts_with("mil");
    if (unit.starts_with(name) || (milli && name == "ms")) {
      return std::chrono::milliseconds(number * factor);
    }
  }
  return std::nullopt;
}

std::vector<std::string> dovecot_words(std::string_view text) {
  std::vector<std::string> words;
  while (!(text = trimmed(text)).empty()) {
    const std::size_t end = std::min(text.find_first_of(" \t"), text.size());
    words.emplace_back(text.substr(0, end));
    text.remove_prefix(end);
  }
  return words;
}

std::vector<std::pair<std::string, std::string>> dovecot_fields(std::string_view text) {
  std::vector<std::pair<std::string, std::string>> fields;
  for (const std::string& word : dovecot_words(text)) {
    const std::size_t equals = std::min(word.find('='), word.size());
    fields.emplace_back(word.substr(0, equals),
                        equals == word.size() ? "" : word.substr(equals + 1));
  }
  return fields;
}

bool dovecot_yes(std::string_view value) {
  return value == "yes" || value == "y" || value == "Y" || value == "true" || value == "1";
}

}  // namespace headgate::migration
