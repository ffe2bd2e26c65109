#pragma once

#include <string>

namespace headgate::net {

// OpenSSL's reason for an error code as it comes from ERR_get_error().
std::string describe_tls_error(unsigned long code);

}  // namespace headgate::net
