#pragma once

#include <expected>
#include <string>
#include <string_view>

#include "migration/imported_config.h"

namespace headgate::migration {

// Turns the mail block of an nginx configuration into a Headgate configuration that does the same.
// `folder` is where relative paths of the nginx configuration begin. The error says why there is
// nothing to translate, or where the file is broken: "LINE: expected …".
std::expected<Import, std::string> import_nginx(std::string_view text, const std::string& folder);

}  // namespace headgate::migration
