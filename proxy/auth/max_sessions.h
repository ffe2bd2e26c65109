#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>

#include "auth/user_source.h"

namespace headgate::auth {

inline constexpr std::uint32_t kMostSessionsOfUser = 10'000'000;

// Sets Route::max_sessions from what a source says in the field of this name: decimal digits alone,
// up to kMostSessionsOfUser. An empty value is none. The error is what was expected.
std::expected<void, std::string> set_max_sessions(std::string_view field, std::string_view value,
                                                  Route& route);

}  // namespace headgate::auth
