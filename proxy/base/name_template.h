#pragma once

#include <cstddef>
#include <string_view>

namespace headgate {

// A template for names: {user}, {local_part}, {domain}, and {1} to {9}, which stand for the groups
// of a pattern that has so many. Anything else in braces, or a brace alone, is none.
bool is_name_template(std::string_view text, std::size_t groups);

}  // namespace headgate
