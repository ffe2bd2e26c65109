// Whatever the text: a configuration, or a list of errors in file order, each on one line.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "config/config.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace headgate::config;
  const std::string text(reinterpret_cast<const char*>(data), size);
  const auto loaded = load_text("fuzz.yaml", text, Files::kIgnore);
  if (loaded) {
    if (loaded->listeners.empty() || loaded->pools.empty() || loaded->users.empty()) {
      std::abort();
    }
    return 0;
  }
  if (loaded.error().empty() || !std::ranges::is_sorted(loaded.error(), {}, &Error::line)) {
    std::abort();
  }
  for (const Error& error : loaded.error()) {
    if (error.expected.empty() || error.to_string().find('\n') != std::string::npos) {
      std::abort();
    }
  }
  return 0;
}
