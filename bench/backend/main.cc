// headgate-bench-backend: an IMAP server that is never the limit of what is measured through it.

#include <fmt/format.h>
#include <CLI/CLI.hpp>

#include <csignal>
#include <cstdio>
#include <exception>

#include "backend/server.h"
#include "common/event_loop.h"
#include "common/sockets.h"

int main(int argc, char** argv) {
  headgate::bench::ServerOptions options;
  CLI::App app(
      "An IMAP backend that costs next to nothing; every user and password is right, or none.");
  app.add_option("--address", options.address, "IPv4 address to listen on")->capture_default_str();
  app.add_option("--port", options.port, "port; 0: any free one")->capture_default_str();
  app.add_option("--push-ms", options.push_interval_ms,
                 "push to each session in IDLE so often; 0: only when asked by XPUSH")
      ->capture_default_str();
  app.add_option("--capabilities", options.capabilities, "in greeting and login reply")
      ->capture_default_str();
  app.add_flag("--refuse", options.refuse, "no user and no password is right");
  CLI11_PARSE(app, argc, argv);

  std::signal(SIGPIPE, SIG_IGN);
  headgate::bench::raise_fd_limit();
  try {
    headgate::bench::EventLoop loop;
    headgate::bench::Server server(loop, options);
    fmt::print("listening on {}:{}\n", options.address, server.port());
    std::fflush(stdout);
    loop.run_forever();
  } catch (const std::exception& error) {
    fmt::print(stderr, "headgate-bench-backend: {}\n", error.what());
    return 1;
  }
}
