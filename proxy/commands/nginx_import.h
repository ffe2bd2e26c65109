#pragma once

#include <expected>
#include <string>
#include <string_view>
#include <vector>

namespace headgate::commands {

struct NginxImport {
  std::string yaml;                // a whole Headgate configuration
  std::vector<std::string> notes;  // "LINE: …": what is different or was left out, in file order
};

// Turns the mail block of an nginx configuration into a Headgate configuration that does the same.
// `folder` is where relative paths of the nginx configuration begin. The error says why there is
// nothing to translate, or where the file is broken: "LINE: expected …".
std::expected<NginxImport, std::string> import_nginx(std::string_view text,
                                                     const std::string& folder);

}  // namespace headgate::commands
