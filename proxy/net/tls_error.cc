#include "net/tls_error.h"

#include <openssl/err.h>

#include <cstring>

namespace headgate::net {

std::string describe_tls_error(unsigned long code) {
  if (code == 0) {
    return "unknown TLS error";
  }
  if (ERR_SYSTEM_ERROR(code)) {
    return std::strerror(ERR_GET_REASON(code));
  }
  if (const char* reason = ERR_reason_error_string(code)) {
    return reason;
  }
  char text[128];
  ERR_error_string_n(code, text, sizeof text);
  return text;
}

}  // namespace headgate::net
