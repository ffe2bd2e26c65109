#pragma once

#include <chrono>

namespace headgate::config {

// How many logins a backend gets at once.
struct Admission {
  bool enabled = true;
  unsigned least = 64;
  unsigned most = 1000;
  unsigned queue = 5000;  // logins that wait for one backend
  std::chrono::milliseconds queue_timeout{15000};
};

}  // namespace headgate::config
