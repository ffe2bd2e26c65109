#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "base/address.h"

namespace headgate::config {

// How Dovecot's auth service is asked.
struct DovecotAuth {
  std::vector<SocketAddress> servers;
  unsigned connections = 2;                     // of each worker to each server
  std::chrono::milliseconds timeout{8000};      // a login in all
  std::chrono::milliseconds hedge_after{2500};  // until the next server is asked as well; 0: never
  std::string service = "imap";
  std::optional<SocketAddress> master;  // for `headgate explain`
  bool route_only = false;              // nobody is judged: it says where users go
  bool tokens = false;                  // it checks tokens as well
  bool external = false;                // it judges certificates of clients as well
  bool checks_passwords = false;        // no passdb lets in whoever gives any password
  bool brings_passwords = false;        // each answer has a password for the backend
};

}  // namespace headgate::config
