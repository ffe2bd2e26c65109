#pragma once

#include <expected>
#include <memory>
#include <string>

#include "auth/code_check.h"
#include "sources/directories.h"
#include "sources/sources.h"

namespace headgate::sources {

// What stands behind a source that asks blocking directories: kSql, kLdap, kPam, and kDovecotAuth
// that routes by the master socket; takes what the options of the first two hold. No server is
// asked yet. `last`: no source behind this one may know the user. The error says what was expected.
std::expected<std::shared_ptr<const Directories>, std::string> open_directories(
    const SourceOptions& options, bool last, const auth::CodeRules& codes);

}  // namespace headgate::sources
