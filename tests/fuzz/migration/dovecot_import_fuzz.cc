#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>

#include "migration/dovecot_import.h"

// Any bytes are an import or an error with its line; what follows a NUL byte is the file of a sql
// or ldap passdb.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view all(reinterpret_cast<const char*>(data), size);
  const std::size_t cut = all.find('\0');
  const auto read_file = [&](const std::string&) {
    return cut == all.npos ? std::nullopt : std::optional(std::string(all.substr(cut + 1)));
  };
  const auto imported = headgate::migration::import_dovecot(all.substr(0, cut), "/", read_file);
  const bool good = imported ? imported->yaml.starts_with("listeners:")
                             : imported.error().find(": expected") != std::string::npos;
  if (!good) {
    std::abort();
  }
  return 0;
}
