#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "migration/dovecot_view.h"

namespace headgate::migration {

// How a placeholder for names looks in Headgate.
struct NamePlaceholders {
  std::string_view user;
  std::string_view local_part;
  std::string_view domain;
};

// `text` with %u, %n and %d (and %Lu, %{user} and so on) as these placeholders; nullopt where it
// has other variables.
std::optional<std::string> translate_dovecot_variables(std::string_view text,
                                                       const NamePlaceholders& placeholders);

// What the query of a passdb says of all users alike, as its fields do.
using DovecotConstants = std::vector<std::pair<std::string, std::string>>;

// The source for a passdb with driver sql or ldap (see PassdbSettings); what cannot be known stands
// there as an example, with a note. `usual_port` is that of a host that is named without one.
ImportedSource import_dovecot_sql(DovecotImportState& state, const DovecotSetting& passdb,
                                  std::uint16_t usual_port, DovecotConstants& constants);
ImportedSource import_dovecot_ldap(DovecotImportState& state, const DovecotSetting& passdb);

}  // namespace headgate::migration
