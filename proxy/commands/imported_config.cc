#include "commands/imported_config.h"

#include <fmt/format.h>

#include <iterator>

#include "config/scalars.h"

namespace headgate::commands {
namespace {

std::string section(const ImportedConfig& config, std::string_view name) {
  const std::string prefix = fmt::format("{}.", name);
  std::string out;
  for (const auto& [key, text] : config.values) {
    if (key.starts_with(prefix)) {
      out += fmt::format("  {}: {}\n", key.substr(prefix.size()), text);
    }
  }
  return out;
}

std::string titled(std::string_view title, const std::string& content) {
  return content.empty() ? "" : fmt::format("{}:\n{}", title, content);
}

std::string listener_lines(const ImportedConfig& config) {
  std::string out;
  auto to = std::back_inserter(out);
  for (const ImportedListener& listener : config.listeners) {
    fmt::format_to(to, "  - name: {}\n    address: {}\n    tls: {}\n", listener.name,
                   config::json_text(listener.address), listener.tls);
    if (!listener.trusted.empty()) {
      out += "    proxy_protocol:\n      trusted:\n";
      for (const std::string& network : listener.trusted) {
        fmt::format_to(to, "        - {}\n", config::json_text(network));
      }
    }
    if (listener.backlog) {
      fmt::format_to(to, "    backlog: {}\n", *listener.backlog);
    }
  }
  return out;
}

std::string tls_lines(const ImportedConfig& config) {
  std::string out = section(config, "tls");
  out += config.certificates.empty() ? "" : "  certificates:\n";
  for (const auto& [certificate, key] : config.certificates) {
    out += fmt::format("    - certificate: {}\n      key: {}\n", config::json_text(certificate),
                       config::json_text(key));
  }
  return out;
}

std::string user_lines(const ImportedConfig& config) {
  if (!config.url) {
    return "pools:\n  main:\n    backends:\n      - address: \"127.0.0.1:10143\"\n"
           "users:\n  - source: backend\n    pool: main\n";
  }
  std::string out = fmt::format(
      "pools:\n  main:\n    tls: none\n"
      "users:\n  - source: auth_http\n    url: {}\n    pool: main\n    http:\n"
      "      keep_alive: true\n",
      config::json_text(config.url->to_string()));
  if (const auto timeout = config.values.find("http.timeout"); timeout != config.values.end()) {
    out += fmt::format("      timeout: {}\n", timeout->second);
  }
  out += config.headers.empty() ? "" : "      headers:\n";
  for (const auto& [name, value] : config.headers) {
    out += fmt::format("        - name: {}\n          value: {}\n", config::json_text(name),
                       config::json_text(value));
  }
  return out;
}

}  // namespace

std::string ImportedConfig::to_yaml() const {
  const auto workers = values.find("workers");
  std::string out = workers == values.end() ? "" : fmt::format("workers: {}\n", workers->second);
  out += titled("listeners", listener_lines(*this));
  out += titled("tls", tls_lines(*this));
  out += user_lines(*this);
  out += titled("login", section(*this, "login"));
  out += titled("relay", section(*this, "relay"));
  return out;
}

}  // namespace headgate::commands
