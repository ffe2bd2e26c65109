// Whatever comes in, one line of valid UTF-8 of bounded length comes out.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "base/printable.h"
#include "base/utf8.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const std::string out = headgate::printable(text, 64);
  const bool control = std::any_of(out.begin(), out.end(), [](char byte) {
    return static_cast<unsigned char>(byte) < 0x20 || byte == 0x7f || byte == '"';
  });
  if (control || !headgate::is_utf8(out) || out.size() > 4 * 64 + 3) {
    std::abort();
  }
  return 0;
}
