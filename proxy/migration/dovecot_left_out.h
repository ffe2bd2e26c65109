#pragma once

#include <string_view>

namespace headgate::migration {

// What becomes of a Dovecot setting that no other part of the import reads: the reason for which
// it is left out, and what there is instead.
std::string_view why_dovecot_left_out(std::string_view key);

}  // namespace headgate::migration
