// Whatever stands in a request line: no path with a control character comes out of it, a path
// cannot become longer than it was, and what stands for the braces of a route is a piece of the
// path.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "admin/request_parts.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view target(reinterpret_cast<const char*>(data), size);
  const auto parts = headgate::admin::split_target(target);
  if (!parts) {
    return parts.error().empty() ? (std::abort(), 0) : 0;
  }
  const bool hidden = std::ranges::any_of(
      parts->path, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; });
  if (hidden || parts->path.size() + parts->query.size() > target.size()) {
    std::abort();
  }
  if (const auto found =
          headgate::admin::match_path("/api/v1/backends/{pool}/{backend}/drain", parts->path)) {
    const auto outside = [&](std::string_view piece) {
      return piece.empty() || piece.data() < parts->path.data() ||
             piece.data() + piece.size() > parts->path.data() + parts->path.size();
    };
    if (found->size() != 2 || std::ranges::any_of(*found, outside)) {
      std::abort();
    }
  }
  if (const auto query = headgate::admin::parse_query(parts->query); !query) {
    return query.error().empty() ? (std::abort(), 0) : 0;
  }
  return 0;
}
