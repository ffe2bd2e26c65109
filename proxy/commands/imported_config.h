#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/url.h"

namespace headgate::commands {

struct ImportedListener {
  std::string name;
  std::string address;
  std::string_view tls = "none";
  std::vector<std::string> trusted;  // not empty: behind a load balancer
  std::optional<std::string> backlog;
};

// What an import has found in another proxy's configuration, on its way to a Headgate one.
struct ImportedConfig {
  std::vector<ImportedListener> listeners;
  std::vector<std::pair<std::string, std::string>> certificates;  // certificate and key
  // Single values as YAML, by their key: "login.timeout" → "60s".
  std::map<std::string, std::string> values;
  std::optional<Url> url;  // of an auth server; without one the backend checks passwords
  std::vector<std::pair<std::string, std::string>> headers;

  [[nodiscard]] std::string to_yaml() const;
};

}  // namespace headgate::commands
