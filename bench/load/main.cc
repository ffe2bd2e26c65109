// headgate-load: one kind of IMAP work at a time, measured. See --help and bench/README.md.

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <csignal>
#include <cstdio>
#include <exception>
#include <map>
#include <memory>
#include <string>

#include "common/sockets.h"
#include "load/bench.h"
#include "load/modes/modes.h"
#include "load/options.h"
#include "load/report.h"

namespace {

using headgate::bench::Bench;
using headgate::bench::Options;
using headgate::bench::Report;
using headgate::bench::Security;

struct Mode {
  const char* name;
  const char* help;
  void (*run)(Bench& bench, Report& report);
};

constexpr Mode kModes[] = {
    {"login", "connect, log in, log out, again (--resume, --count)", headgate::bench::run_login},
    {"fetch", "fetch messages of --size-kb", headgate::bench::run_fetch},
    {"append", "append messages of --size-kb", headgate::bench::run_append},
    {"noop", "NOOP ping-pong on every session", headgate::bench::run_noop},
    {"rate", "NOOPs at --rate a second, latency from when they were due",
     headgate::bench::run_rate},
    {"idle", "IDLE with a push every --push-ms to each session", headgate::bench::run_idle},
    {"hold", "memory of idle sessions (--bulk-kb, needs --meter)", headgate::bench::run_hold},
    {"storm", "all sessions come back at once (--resume)", headgate::bench::run_storm},
};

void add_options(CLI::App& app, Options& options) {
  static const std::map<std::string, Security> kSecurity = {{"none", Security::kNone},
                                                            {"implicit", Security::kImplicit},
                                                            {"starttls", Security::kStartTls}};
  app.add_option("--host", options.host, "IPv4 address")->capture_default_str();
  app.add_option("--port", options.port, "port")->capture_default_str();
  app.add_option("--tls", options.security, "none, implicit or starttls")
      ->transform(CLI::CheckedTransformer(kSecurity));
  app.add_option("--user-prefix", options.user_prefix, "users are PREFIX00001@DOMAIN and so on")
      ->capture_default_str();
  app.add_option("--domain", options.domain, "of the users")->capture_default_str();
  app.add_option("--password", options.password, "of all users")->capture_default_str();
  app.add_option("--sessions", options.sessions, "how many, in login: at the same time")
      ->check(CLI::Range(1U, 50'000U))
      ->capture_default_str();
  app.add_option("--parallel-logins", options.parallel_logins, "while sessions are opened")
      ->check(CLI::Range(1U, 50'000U))
      ->capture_default_str();
  app.add_option("--warm-up", options.warm_up, "seconds before what counts")->capture_default_str();
  app.add_option("--seconds", options.seconds, "seconds that count; hold: to settle")
      ->capture_default_str();
  app.add_option("--timeout", options.timeout, "seconds for everything that should end by itself")
      ->capture_default_str();
  app.add_flag("--resume", options.resume, "use the tickets of connections before");
  app.add_option("--count", options.count, "login: end after so many; 0: after --seconds");
  app.add_flag("--await-end", options.await_end,
               "storm: the sessions are ended from outside, a killed backend's for example");
  app.add_option("--size-kb", options.size_kb, "message size")->capture_default_str();
  app.add_option("--rate", options.rate, "NOOPs a second over all sessions")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--push-ms", options.push_ms, "idle: pushed to so often")
      ->check(CLI::Range(1U, 3'600'000U))
      ->capture_default_str();
  app.add_option("--bulk-kb", options.bulk_kb, "hold: fetched by each session first")
      ->capture_default_str();
  app.add_option("--meter", options.meter, "the proxy's processes: cgroup:DIRECTORY or tree:PID");
  app.add_option("--kernel-memory", options.kernel_memory, "its cgroup of the memory controller");
  app.add_option("--profiler", options.profiler,
                 "fifo of `perf record -D -1 --control`: it samples what counts alone");
  app.add_flag("--json", options.json, "print one JSON object");
}

int run(const Mode& mode, const Options& options) {
  headgate::bench::raise_fd_limit();
  const auto bench = std::make_unique<Bench>(options);
  Report report;
  mode.run(*bench, report);
  fmt::print("{}", options.json ? report.json() : report.text());
  return report.ok() ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  CLI::App app(
      "Load generator for IMAP proxies in front of headgate-bench-backend. Exit code 1: something "
      "was "
      "lost, changed, refused or late.");
  app.fallthrough();
  app.require_subcommand(1);
  add_options(app, options);
  for (const Mode& mode : kModes) {
    app.add_subcommand(mode.name, mode.help);
  }
  CLI11_PARSE(app, argc, argv);
  std::signal(SIGPIPE, SIG_IGN);
  try {
    for (const Mode& mode : kModes) {
      if (app.got_subcommand(mode.name)) {
        return run(mode, options);
      }
    }
  } catch (const std::exception& error) {
    fmt::print(stderr, "headgate-load: {}\n", error.what());
  }
  return 2;
}
