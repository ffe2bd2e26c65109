#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "config/map_file.h"

// Any bytes are rules or at most so many errors, each with its line.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto rules =
      headgate::config::parse_map_file(std::string_view(reinterpret_cast<const char*>(data), size));
  if (rules) {
    for (const headgate::config::MapRule& rule : *rules) {
      const int kinds = (rule.user.empty() ? 0 : 1) + (rule.domain.empty() ? 0 : 1) +
                        (rule.pattern.empty() ? 0 : 1);
      if (kinds != 1 || rule.line < 1) {
        std::abort();
      }
    }
    return 0;
  }
  const auto& errors = rules.error();
  if (errors.empty() || errors.size() > headgate::config::kMostMapErrors ||
      errors.front().line < 1) {
    std::abort();
  }
  return 0;
}
