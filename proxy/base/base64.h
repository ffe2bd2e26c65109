#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/secret.h"

namespace headgate {

// RFC 4648 section 4, padded.
std::string base64_encode(std::string_view bytes);
void base64_encode(std::string_view bytes, Secret& out);  // appends

// Strict: alphabet, padding and length must be right, no white space, unused bits zero; anything
// else is nullopt. The empty text is the empty string.
std::optional<Secret> base64_decode(std::string_view text);

// RFC 4648 section 5 without padding, as JSON Web Tokens have it; as strict.
std::optional<Secret> base64url_decode(std::string_view text);

}  // namespace headgate
