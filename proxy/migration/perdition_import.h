#pragma once

#include <expected>
#include <string>
#include <string_view>

#include "migration/imported_config.h"

namespace headgate::migration {

// Turns a perdition.conf, with the popmap that it names, into a Headgate configuration that does
// the same for IMAP. `folder` is where relative paths begin; `read_file` gives the popmap. The
// error says why there is nothing to translate, or where the file is broken: "LINE: expected …".
std::expected<Import, std::string> import_perdition(std::string_view text,
                                                    const std::string& folder,
                                                    const ReadImportedFile& read_file);

}  // namespace headgate::migration
