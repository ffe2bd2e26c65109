#pragma once

#include <string_view>

namespace headgate {

inline constexpr std::string_view kVersion = HEADGATE_VERSION;  // from CMakeLists.txt

}  // namespace headgate
