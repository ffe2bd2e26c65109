#pragma once

#include <expected>
#include <optional>
#include <string>
#include <string_view>

namespace headgate::server {

// Replaces the file whole: whoever reads it, now or after a power failure, finds the old text or
// the new one. The error names the file.
std::expected<void, std::string> write_state(const std::string& path, std::string_view text);

// nullopt: there is no such file.
std::expected<std::optional<std::string>, std::string> read_state(const std::string& path);

}  // namespace headgate::server
