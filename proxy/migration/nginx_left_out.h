#pragma once

#include <string_view>

namespace headgate::migration {

// Why a directive of nginx's mail block has no equivalent, for a note; empty: it is none of those.
std::string_view why_nginx_left_out(std::string_view directive);

// Whether the import reads it.
bool is_nginx_translated(std::string_view directive);

}  // namespace headgate::migration
