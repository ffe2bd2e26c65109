// Whatever a backend calls its capabilities, the list is one clean line, and add() and remove()
// agree with has().
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "imap/capability_list.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  headgate::imap::CapabilityList list(text);
  if (list.text().find_first_of("\r\n") != std::string::npos || list.text().size() > size ||
      list.text().contains("  ")) {
    std::abort();
  }
  const std::string first = list.text().substr(0, list.text().find(' '));
  if (list.has(first) == first.empty()) {
    std::abort();
  }
  while (list.has(first)) {
    const std::size_t before = list.text().size();
    list.remove(first);
    if (list.text().size() >= before) {
      std::abort();
    }
  }
  list.add(first);
  if (list.has(first) == first.empty() || list.text().starts_with(' ') ||
      list.text().ends_with(' ')) {
    std::abort();
  }
  return 0;
}
