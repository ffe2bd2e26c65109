#pragma once

#include <cstddef>
#include <expected>
#include <string>
#include <string_view>

#include "auth/user_source.h"

namespace headgate::auth {

// What a source wants the backend to know besides, as Dovecot's passdb fields forward_KEY say it.
inline constexpr std::string_view kForwardPrefix = "forward_";
inline constexpr std::size_t kMostForwarded = 8;
inline constexpr std::size_t kLongestForwardedKey =
    20;  // behind "x-forward-", within RFC 2971's 30
inline constexpr std::size_t kLongestForwardedValue = 1024;

// Adds `field`, which begins with kForwardPrefix. The error is what was expected, and repeats
// nothing of the value. An empty value is none; of a key that is there twice the last one counts.
std::expected<void, std::string> add_forwarded(std::string_view field, std::string_view value,
                                               Route& route);

}  // namespace headgate::auth
