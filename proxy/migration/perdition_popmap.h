#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "migration/imported_config.h"
#include "migration/perdition_config.h"

namespace headgate::migration {

// What perdition.conf says about the meaning of a popmap's values.
struct PopmapOptions {
  std::string delimiter = "@";     // between the user and the server
  std::uint16_t port = 143;        // of servers without one
  bool takes_user = false;         // the user in a value is the name for the server
  bool strips_for_lookup = false;  // users are looked up without their domain
  bool strips_for_login = false;   // and log in at the server without it
};

// A popmap as rules of a source `map`.
struct PopmapRules {
  std::vector<std::string> rules;     // each as YAML on one line
  std::vector<std::string> backends;  // those that rules name, each once, in their order
  std::vector<std::string> notes;     // "N: …" for lines that are left out
};

// HOST:PORT of "host", "host:port", "host:imap2"; empty for anything else.
std::string perdition_server(std::string_view text, std::uint16_t port);

PopmapRules import_popmap(const std::vector<PerditionLine>& lines, const PopmapOptions& options);
// The same for a popmap of regular expressions.
PopmapRules import_regex_popmap(const std::vector<PerditionLine>& lines,
                                const PopmapOptions& options);

}  // namespace headgate::migration
