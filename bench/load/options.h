#pragma once

#include <cstdint>
#include <string>

namespace headgate::bench {

enum class Security : std::uint8_t { kNone, kImplicit, kStartTls };

// What the command line says; the defaults stand here. Each mode reads what concerns it.
struct Options {
  // Where to, and as whom.
  std::string host = "127.0.0.1";
  std::uint16_t port = 993;
  Security security = Security::kImplicit;
  std::string user_prefix = "user";
  std::string domain = "example.org";
  std::string password = "benchmark";

  // How much, how long.
  unsigned sessions = 64;
  unsigned parallel_logins = 32;  // while the sessions of a mode are opened
  double warm_up = 0.5;           // s before what counts
  double seconds = 5;             // s that count
  double timeout = 60;            // s for opening all sessions, and for anything else to end

  // login
  bool resume = false;
  std::uint64_t count = 0;  // end after so many logins; 0: after `seconds`
  // storm
  bool await_end = false;  // somebody else ends the sessions, within `timeout`
  // fetch, append
  unsigned size_kb = 16'384;
  // rate: NOOPs a second over all sessions
  double rate = 1'000;
  // idle
  unsigned push_ms = 1'000;
  // hold
  unsigned bulk_kb = 0;  // fetched by each session before it is left idle

  // What is measured beside: "cgroup:DIRECTORY" or "tree:PID", empty: nothing.
  std::string meter;
  std::string kernel_memory;  // a cgroup (v1) of the memory controller; empty: not read
  std::string profiler;       // fifo of perf's --control: told when what counts begins and ends
  bool json = false;
};

}  // namespace headgate::bench
