#include <unistd.h>

#include <CLI/CLI.hpp>

#include "commands/commands.h"
#include "commands/operate.h"
#include "sources/pam_helper.h"

namespace headgate::commands {
namespace {

void add_config(CLI::App* command, std::string& file) {
  command->add_option("-c,--config", file, "The configuration file")->required()->type_name("FILE");
}

void add_imports(CLI::App* command, std::string& file) {
  const auto add = [&](const char* from, const char* help, const char* what) {
    command->add_subcommand(from, help)->add_option("FILE", file, what)->required();
  };
  add("nginx", "From the mail block of an nginx configuration",
      "nginx.conf, or the file that has the mail block");
  for (const char* from : {"dovecot-director", "dovecot-proxy"}) {
    add(from, "From the configuration of a Dovecot director or proxy",
        "What doveconf -nP prints, or dovecot.conf");
  }
  add("perdition", "From the configuration of Perdition, with its popmap", "perdition.conf");
}

CLI::App* add_explain(CLI::App& app, ExplainOptions& options) {
  CLI::App* command =
      app.add_subcommand("explain", "Say which pool and backend a user gets, and why");
  add_config(command, options.config_file);
  command->add_flag("--json", options.json, "Print one JSON object");
  command->add_flag("--running", options.running,
                    "Ask the running Headgate, which knows drains, pins and sessions");
  command
      ->add_option("--client", options.client,
                   "The client's address, which the policy source_hash goes by")
      ->type_name("ADDRESS");
  command->add_option("USER", options.user, "The name the user logs in with")->required();
  return command;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Headgate: an IMAP proxy and load balancer", "headgate");
  app.set_version_flag("--version", "headgate " HEADGATE_VERSION);
  app.require_subcommand(1);
  app.footer("Exit codes: 0 success, 1 wrong configuration or failure, 2 wrong usage.");
  std::function<int()> operator_command;

  std::string file;
  ExplainOptions explained;
  std::string document;
  CLI::App* run_command = app.add_subcommand("run", "Serve, in the foreground, until a signal");
  add_config(run_command, file);
  CLI::App* check_command = app.add_subcommand("check", "Report every error of a configuration");
  add_config(check_command, file);
  CLI::App* explain_command = add_explain(app, explained);
  CLI::App* import_command =
      app.add_subcommand("import", "Print a configuration made from that of another proxy");
  import_command->require_subcommand(1);
  add_imports(import_command, file);
  CLI::App* docs_command = app.add_subcommand("docs", "Print a generated document");
  docs_command->add_option("DOCUMENT", document, "Which one")
      ->required()
      ->check(CLI::IsMember({"configuration", "schema", "example", "metrics"}));

  std::string service;
  std::string directory;
  CLI::App* pam_command = app.add_subcommand("pam-helper", "Started by `run` for source pam");
  pam_command->group("");  // not in the help: it is of no use by hand
  pam_command->add_option("SERVICE", service)->required();
  pam_command->add_option("DIRECTORY", directory);

  add_operator_commands(app, operator_command);

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? kSuccess : kUsage;
  }
  if (operator_command) {
    return operator_command();
  }
  if (run_command->parsed()) {
    return run(file);
  }
  if (check_command->parsed()) {
    return check(file);
  }
  if (explain_command->parsed()) {
    return explain(explained);
  }
  if (pam_command->parsed()) {
    return sources::run_pam_helper(STDIN_FILENO, service, directory);
  }
  if (import_command->parsed()) {
    return import_file(import_command->get_subcommands().front()->get_name(), file);
  }
  return docs(document);
}

}  // namespace headgate::commands
