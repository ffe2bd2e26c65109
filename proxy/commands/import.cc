#include <fmt/format.h>

#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>

#include "base/printable.h"
#include "commands/commands.h"
#include "migration/dovecot_import.h"
#include "migration/nginx_import.h"
#include "migration/perdition_import.h"

namespace headgate::commands {
namespace {

constexpr std::size_t kLongestNote = 1024;
constexpr std::size_t kLargestImport = std::size_t{64} * 1024 * 1024;

// nullopt: it cannot be read, or is larger than any sane one.
std::optional<std::string> read_import(const std::string& file) {
  std::error_code error;
  std::ifstream in(file, std::ios::binary);
  if (!in.is_open() || !std::filesystem::is_regular_file(file, error)) {
    return std::nullopt;
  }
  std::string text;
  std::array<char, 65536> part;
  while (in.read(part.data(), part.size()) || in.gcount() > 0) {
    text.append(part.data(), static_cast<std::size_t>(in.gcount()));
    if (text.size() > kLargestImport) {
      return std::nullopt;
    }
  }
  return in.bad() ? std::nullopt : std::optional(std::move(text));
}

std::expected<migration::Import, std::string> import_text(std::string_view from,
                                                          const std::string& text,
                                                          const std::string& folder) {
  if (from == "nginx") {
    return migration::import_nginx(text, folder);
  }
  return from == "perdition" ? migration::import_perdition(text, folder, read_import)
                             : migration::import_dovecot(text, folder, read_import);
}

}  // namespace

int import_file(std::string_view from, const std::string& file) {
  const auto text = read_import(file);
  if (!text) {
    fmt::print(stderr, "{}: expected a file that can be read\n", file);
    return kFailure;
  }
  std::error_code error;
  const std::string folder = std::filesystem::absolute(file, error).parent_path().string();
  const auto imported = import_text(from, *text, folder);
  if (!imported) {
    fmt::print(stderr, "{}:{}\n", file, printable(imported.error(), kLongestNote));
    return kFailure;
  }
  std::string out = fmt::format("# Made from {} by headgate import {}.\n", printable(file), from);
  if (!imported->notes.empty()) {
    out += "#\n# What is different, or was left out:\n";
  }
  for (const std::string& note : imported->notes) {
    out += fmt::format("# - {}\n", printable(note, kLongestNote));
    fmt::print(stderr, "{}: {}\n", file, printable(note, kLongestNote));
  }
  out += "\n" + imported->yaml;
  const bool written =
      std::fwrite(out.data(), 1, out.size(), stdout) == out.size() && std::fflush(stdout) == 0;
  return written ? kSuccess : kFailure;
}

}  // namespace headgate::commands
