#pragma once

#include <string>

#include "config/config.h"
#include "config/type.h"

namespace headgate::config {

// The one table of all keys: what the parser reads and what the generators print.
const Type<Config>& schema();
const Type<UserSource>& user_source_schema();

// The documents that come from the table.
std::string configuration_page();  // docs/configuration.md
std::string example_file();        // conf/headgate.yaml
std::string json_schema();         // conf/headgate.schema.json

// Gives a name to each user source that has none.
void name_sources(Config& config);

// Conditions between keys of different sections: names that must exist, things that may stand there
// once only, combinations that would be unsafe.
void check_whole(Reader& reader, const Config& config);

}  // namespace headgate::config
