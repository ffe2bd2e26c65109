#pragma once

#include "migration/dovecot_view.h"

namespace headgate::migration {

// Turns the passdbs, and the director's servers where there are some, into user sources and pools.
void import_dovecot_users(DovecotImportState& state);

}  // namespace headgate::migration
