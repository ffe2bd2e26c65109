#include <fmt/format.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "base/printable.h"
#include "commands/commands.h"
#include "commands/nginx_import.h"

namespace headgate::commands {
namespace {

constexpr std::size_t kLongestNote = 1024;

}  // namespace

int import_nginx_file(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  const std::string text(std::istreambuf_iterator<char>(in), {});
  if (!in.is_open() || in.bad()) {
    fmt::print(stderr, "{}: expected a file that can be read\n", file);
    return kFailure;
  }
  std::error_code error;
  const std::string folder = std::filesystem::absolute(file, error).parent_path().string();
  const auto imported = import_nginx(text, folder);
  if (!imported) {
    fmt::print(stderr, "{}:{}\n", file, printable(imported.error(), kLongestNote));
    return kFailure;
  }
  std::string out = fmt::format("# Made from {} by headgate import nginx.\n", printable(file));
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
