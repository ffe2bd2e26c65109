#pragma once

#include <cstddef>
#include <regex>
#include <string>
#include <string_view>

namespace headgate {

// A template for names: {user}, {local_part}, {domain}, and {1} to {9}, which stand for the groups
// of a pattern that has so many. Anything else in braces, or a brace alone, is none.
bool is_name_template(std::string_view text, std::size_t groups);

// The template for a user's name; `match`: of the pattern with it.
std::string fill_name_template(std::string_view text, std::string_view user,
                               const std::match_results<std::string_view::const_iterator>& match);

}  // namespace headgate
