#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "migration/nginx_import.h"

// Any bytes are an import or an error with its line.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto imported = headgate::migration::import_nginx(text, "/");
  const bool good =
      imported ? imported->yaml.starts_with("listeners:") || imported->yaml.starts_with("workers:")
               : imported.error().find(": expected") != std::string::npos;
  if (!good) {
    std::abort();
  }
  return 0;
}
