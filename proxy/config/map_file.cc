#include "config/map_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>
#include <utility>

#include "base/ascii.h"
#include "base/name_template.h"
#include "base/printable.h"
#include "config/pattern.h"
#include "config/scalars.h"

namespace headgate::config {
namespace {

constexpr std::size_t kLongestMapLine = 4096;
constexpr std::size_t kLongestRuleName = 512;
constexpr std::size_t kLongestRuleDomain = 253;
constexpr std::string_view kBetweenWords = " \t\r";

// Takes the first word off; empty at the end.
std::string_view next_word(std::string_view& line) {
  line.remove_prefix(std::min(line.find_first_not_of(kBetweenWords), line.size()));
  const std::string_view word = line.substr(0, line.find_first_of(kBetweenWords));
  line.remove_prefix(word.size());
  return word;
}

class MapFileParser {
 public:
  void line(std::string_view text) {
    ++number_;
    if (text.size() > kLongestMapLine) {
      return wrong(fmt::format("a line of at most {} bytes", kLongestMapLine));
    }
    if (std::ranges::any_of(
            text, [](char c) { return c >= '\0' && c < ' ' && c != '\t' && c != '\r'; })) {
      return wrong("a line without control characters");
    }
    const std::string_view who = next_word(text);
    if (who.empty() || who.starts_with('#')) {
      return;
    }
    if (rules_.size() == kMostMapRules) {
      return wrong(fmt::format("at most {} rules", kMostMapRules));
    }
    MapRule rule;
    rule.line = number_;
    if (!read_who(who, rule)) {
      return;
    }
    for (std::string_view word = next_word(text); !word.empty(); word = next_word(text)) {
      if (!read_word(word, rule)) {
        return;
      }
    }
    if (!is_name_template(rule.rewrite, groups_)) {
      return wrong(
          fmt::format("{{user}}, {{local_part}}, {{domain}} or a group of the pattern, "
                      "{{1}} to {{{}}}, as all that stands in braces",
                      groups_));
    }
    rules_.push_back(std::move(rule));
  }

  [[nodiscard]] bool goes_on() const { return errors_.size() < kMostMapErrors; }

  std::expected<std::vector<MapRule>, std::vector<MapFileError>> finish() {
    if (rules_.empty() && errors_.empty()) {
      wrong("at least one rule");
    }
    if (!errors_.empty()) {
      return std::unexpected(std::move(errors_));
    }
    return std::move(rules_);
  }

 private:
  void wrong(std::string expected) {
    errors_.push_back({std::max(number_, 1), std::move(expected)});
  }

  bool once(std::unordered_map<std::string, int>& known, const std::string& value,
            std::string_view what) {
    const auto [first, fresh] = known.emplace(value, number_);
    if (!fresh) {
      wrong(fmt::format("another {}, found '{}' again, which line {} has", what, printable(value),
                        first->second));
    }
    return fresh;
  }

  bool read_who(std::string_view who, MapRule& rule) {
    groups_ = 0;
    if (who.starts_with('/')) {
      return read_pattern(who, rule);
    }
    if (who.starts_with('@')) {
      rule.domain = lower_case(who.substr(1));
      if (rule.domain.empty() || rule.domain.size() > kLongestRuleDomain ||
          rule.domain.contains('@')) {
        wrong("a domain behind '@', for example @example.org");
        return false;
      }
      return once(domains_, rule.domain, "domain");
    }
    if (who.size() > kLongestRuleName) {
      wrong(fmt::format("a user name of at most {} bytes", kLongestRuleName));
      return false;
    }
    rule.user = lower_case(who);
    return once(users_, rule.user, "user name");
  }

  bool read_pattern(std::string_view who, MapRule& rule) {
    if (who.size() < 3 || !who.ends_with('/')) {
      wrong("a regular expression between two '/', without white space in it");
      return false;
    }
    if (++patterns_ > kMostMapPatterns) {
      wrong(fmt::format("at most {} regular expressions", kMostMapPatterns));
      return false;
    }
    rule.pattern = who.substr(1, who.size() - 2);
    const auto compiled = compile_pattern(rule.pattern, Groups::kKeep);
    if (!compiled) {
      wrong(compiled.error());
      return false;
    }
    groups_ = compiled->mark_count();
    return true;
  }

  bool read_word(std::string_view word, MapRule& rule) {
    const std::size_t equals = std::min(word.find('='), word.size());
    const std::string_view key = word.substr(0, equals);
    const std::string_view value = word.substr(std::min(equals + 1, word.size()));
    const bool again = (key == "pool" && !rule.pool.empty()) ||
                       (key == "backend" && rule.backend) ||
                       (key == "rewrite" && !rule.rewrite.empty());
    if (again) {
      wrong(fmt::format("{} once", key));
      return false;
    }
    if (key == "pool" && is_name(value)) {
      rule.pool = value;
      return true;
    }
    if (key == "rewrite" && !value.empty() && value.size() <= kLongestRuleName) {
      rule.rewrite = value;
      return true;
    }
    auto backend = HostPort::parse(value);
    if (key == "backend" && backend && backend->port != 0) {
      rule.backend = *std::move(backend);
      return true;
    }
    wrong(fmt::format("pool=NAME, backend=HOST:PORT or rewrite=NAME, found '{}'",
                      printable(word, 80)));
    return false;
  }

  std::vector<MapRule> rules_;
  std::vector<MapFileError> errors_;
  std::unordered_map<std::string, int> users_;  // name → its line
  std::unordered_map<std::string, int> domains_;
  std::size_t patterns_ = 0;
  std::size_t groups_ = 0;  // of the pattern that is being read
  int number_ = 0;
};

}  // namespace

std::expected<std::vector<MapRule>, std::vector<MapFileError>> parse_map_file(
    std::string_view text) {
  MapFileParser parser;
  while (!text.empty() && parser.goes_on()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    parser.line(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return parser.finish();
}

}  // namespace headgate::config
