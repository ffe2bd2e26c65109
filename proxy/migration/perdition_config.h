#pragma once

#include <cstddef>
#include <expected>
#include <string>
#include <string_view>
#include <vector>

namespace headgate::migration {

// One line of perdition.conf or of a popmap of regular expressions.
struct PerditionLine {
  std::string key;
  std::string value;
  int line = 0;  // from 1: where it begins
};

inline constexpr std::size_t kMostPerditionLines = 200'000;

// Keys and values with the comments, quotes, escapes and continued lines of perdition(8). In
// perdition.conf, options by their letter get their long name. The error is "LINE: expected …".
std::expected<std::vector<PerditionLine>, std::string> parse_perdition_lines(std::string_view text);
std::expected<std::vector<PerditionLine>, std::string> parse_perdition_config(
    std::string_view text);

// The lines KEY:VALUE of which makegdbm and its like make a database.
std::expected<std::vector<PerditionLine>, std::string> parse_popmap(std::string_view text);

}  // namespace headgate::migration
