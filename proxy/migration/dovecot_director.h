#pragma once

#include <cstdint>
#include <vector>

#include "migration/dovecot_view.h"

namespace headgate::migration {

// The pools of `director_mail_servers`: "main" for hosts without a tag, and one for each tag, which
// has its name; backends without a port of their own get `port`. None without that setting. What
// directors have beside that is set or noted.
std::vector<ImportedPool> import_director(DovecotImportState& state, std::uint16_t port);

}  // namespace headgate::migration
