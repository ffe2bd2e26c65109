// What decodes must encode to the same text again: there is one text for each string of bytes.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "base/base64.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto decoded = headgate::base64_decode(text);
  if (decoded && headgate::base64_encode(decoded->view()) != text) {
    std::abort();
  }
  const auto again = headgate::base64_decode(headgate::base64_encode(text));
  if (!again || again->view() != text) {
    std::abort();
  }
  return 0;
}
