#include "imap/login_command.h"

namespace headgate::imap {

Parse parse_login(std::string_view arguments, LoginArguments& out) {
  Arguments cursor(arguments);
  if (!cursor.take(' ')) {
    return Parse::kBad;
  }
  if (const Parse user = cursor.astring(out.user); user != Parse::kOk) {
    return user;
  }
  if (!cursor.take(' ')) {
    return Parse::kBad;
  }
  if (const Parse password = cursor.astring(out.password); password != Parse::kOk) {
    return password;
  }
  return cursor.at_end() ? Parse::kOk : Parse::kBad;
}

}  // namespace headgate::imap
