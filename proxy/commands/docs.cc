#include <cstdio>
#include <string>

#include "commands/commands.h"
#include "config/schema.h"
#include "metrics/catalog.h"

namespace headgate::commands {

int docs(const std::string& document) {
  const std::string text = document == "configuration" ? config::configuration_page()
                           : document == "schema"      ? config::json_schema()
                           : document == "example"     ? config::example_file()
                                                       : metrics::documentation();
  const bool written =
      std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0;
  return written ? kSuccess : kFailure;
}

}  // namespace headgate::commands
