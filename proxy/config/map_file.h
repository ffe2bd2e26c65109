#pragma once

#include <cstddef>
#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "config/config.h"

namespace headgate::config {

inline constexpr std::size_t kLargestMapFile = std::size_t{16} * 1024 * 1024;
inline constexpr std::size_t kMostMapRules = 250'000;
// A look-up may have to try each of them.
inline constexpr std::size_t kMostMapPatterns = 1000;
inline constexpr std::size_t kMostMapErrors = 20;  // more are not looked for

// What is wrong with one line of a file of rules.
struct MapFileError {
  int line = 0;          // from 1
  std::string expected;  // "a pool, …, found '…'"
};

// The rules of a file, one a line:
//
//   NAME | @DOMAIN | /PATTERN/  [pool=NAME] [backend=HOST:PORT] [rewrite=NAME]
//
// with white space between the words. Lines that are empty or begin with '#' are skipped. A name
// or domain may stand there once.
std::expected<std::vector<MapRule>, std::vector<MapFileError>> parse_map_file(
    std::string_view text);

}  // namespace headgate::config
