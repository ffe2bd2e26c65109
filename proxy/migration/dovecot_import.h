#pragma once

#include <expected>
#include <string>
#include <string_view>

#include "migration/dovecot_view.h"
#include "migration/imported_config.h"

namespace headgate::migration {

// Turns the configuration of a Dovecot 2.3 director or proxy (dovecot.conf, or what doveconf
// prints) into a Headgate configuration that does the same. `folder` is where its relative paths
// begin; `read_file` gives the files of sql and ldap passdbs. The error says why there is nothing
// to translate, or where the file is broken: "LINE: expected …".
std::expected<Import, std::string> import_dovecot(std::string_view text, const std::string& folder,
                                                  const ReadImportedFile& read_file);

}  // namespace headgate::migration
