#pragma once

#include <string_view>

#include "base/secret.h"
#include "imap/arguments.h"

namespace headgate::imap {

struct LoginArguments {
  Secret user;
  Secret password;
};

// The arguments of LOGIN from the first space on: SP userid SP password. Whether they may be used
// is another question: see acceptable_user().
Parse parse_login(std::string_view arguments, LoginArguments& out);

}  // namespace headgate::imap
