#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "base/address.h"

namespace headgate::config {

// A pool whose backends are those that DNS names for a service (RFC 2782).
struct Srv {
  std::string name;               // "_imaps._tcp.example.org", in lower case
  std::string within;             // targets elsewhere are left out; empty: anywhere
  std::vector<Endpoint> servers;  // DNS servers, IPv4; none: the system's
  std::chrono::seconds refresh{30};
  std::chrono::seconds refresh_least{5};  // where records live shorter, and after failures
  unsigned most_backends = 256;           // an answer with more is not taken
  unsigned max_sessions = 0;              // of each backend; 0: no limit
};

}  // namespace headgate::config
