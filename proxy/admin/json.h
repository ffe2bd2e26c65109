#pragma once

#include <string>
#include <string_view>

namespace headgate::admin {

// A JSON string with its quotes (RFC 8259 section 7); bytes that are no UTF-8 become U+FFFD.
std::string json_string(std::string_view text);

}  // namespace headgate::admin
