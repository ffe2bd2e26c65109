#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "sources/passwd_table.h"

// Any bytes are a table or a bounded list of errors with lines that exist; what a table holds can
// be found under any spelling of its name.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using headgate::sources::PasswdTable;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto table = PasswdTable::parse(text);
  const auto require = [](bool held) {
    if (!held) {
      std::abort();
    }
  };
  if (!table) {
    require(!table.error().empty() && table.error().size() <= PasswdTable::kMostErrors);
    for (const auto& error : table.error()) {
      require(error.line >= 1 && static_cast<std::size_t>(error.line) <= size + 1);
      require(!error.what.empty());
    }
    return 0;
  }
  const std::string_view user = text.substr(0, text.find(':'));
  if (!user.empty() && user.front() != '#' && user.find('\n') == std::string_view::npos &&
      user.size() < text.size()) {
    const auto* entry = table->find(user);
    require(entry != nullptr && entry->line == 1 && !entry->route.user.empty());
  }
  return 0;
}
