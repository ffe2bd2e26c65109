#pragma once

#include <string>
#include <string_view>

namespace headgate::commands {

inline constexpr int kSuccess = 0;
inline constexpr int kFailure = 1;  // a wrong configuration, or it did not run
inline constexpr int kUsage = 2;

// Arguments to one subcommand; returns the exit code of the process.
int main(int argc, char** argv);

// Serves until a signal.
int run(const std::string& config_file);
// Every error of the configuration to standard error; or one line that it is good.
int check(const std::string& config_file);
struct ExplainOptions {
  std::string config_file;
  std::string user;
  std::string client = "0.0.0.0";  // the address that source_hash goes by
  bool running = false;            // asks the running Headgate, not the file
  bool json = false;
};
// Which pool and backend a user gets, and why.
int explain(const ExplainOptions& options);
// Prints a Headgate configuration made from that of another proxy: nginx, dovecot-director,
// dovecot-proxy or perdition. What is different goes to standard error too.
int import_file(std::string_view from, const std::string& file);
// Prints a generated document: configuration, schema, example or metrics.
int docs(const std::string& document);

}  // namespace headgate::commands
