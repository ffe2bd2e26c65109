#include "migration/imported_config.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <iterator>

#include "config/scalars.h"

namespace headgate::migration {
namespace {

// The values whose keys begin with `prefix`, sections within them included.
std::string value_lines(const ImportedValues& values, const std::string& prefix,
                        std::size_t indent) {
  std::string out;
  const std::string margin(indent, ' ');
  auto at = values.lower_bound(prefix);
  while (at != values.end() && at->first.starts_with(prefix)) {
    const std::string key = at->first.substr(prefix.size());
    const std::size_t dot = key.find('.');
    if (dot == std::string::npos) {
      out += fmt::format("{}{}: {}\n", margin, key, at->second);
      ++at;
      continue;
    }
    const std::string section = prefix + key.substr(0, dot + 1);
    out += fmt::format("{}{}:\n{}", margin, key.substr(0, dot),
                       value_lines(values, section, indent + 2));
    while (at != values.end() && at->first.starts_with(section)) {
      ++at;
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
      out += "    proxy_protocol:\n";
      if (listener.header_timeout) {
        fmt::format_to(to, "      timeout: {}\n", *listener.header_timeout);
      }
      out += "      trusted:\n";
      for (const std::string& network : listener.trusted) {
        fmt::format_to(to, "        - {}\n", config::json_text(network));
      }
    }
    if (listener.backlog) {
      fmt::format_to(to, "    backlog: {}\n", *listener.backlog);
    }
    if (!listener.sasl.empty()) {
      fmt::format_to(to, "    sasl: [{}]\n", fmt::join(listener.sasl, ", "));
    }
    out += value_lines(listener.values, "", 4);
  }
  return out;
}

std::string tls_lines(const ImportedConfig& config) {
  std::string out = value_lines(config.values, "tls.", 2);
  out += config.certificates.empty() ? "" : "  certificates:\n";
  for (const auto& [certificate, key] : config.certificates) {
    out += fmt::format("    - certificate: {}\n      key: {}\n", config::json_text(certificate),
                       config::json_text(key));
  }
  return out;
}

std::string pool_lines(const ImportedConfig& config) {
  std::string out;
  for (const ImportedPool& pool : config.pools) {
    out += fmt::format("  {}:\n{}", config::yaml_text(pool.name), value_lines(pool.values, "", 4));
    out += pool.backends.empty() ? "" : "    backends:\n";
    for (const std::string& backend : pool.backends) {
      out += fmt::format("      - address: {}\n", config::json_text(backend));
    }
  }
  return out;
}

std::string source_lines(const ImportedConfig& config) {
  std::string out;
  for (const ImportedSource& source : config.sources) {
    out += fmt::format("  - source: {}\n    pool: {}\n{}", source.source,
                       config::yaml_text(source.pool), value_lines(source.values, "", 4));
    out += source.rules.empty() ? "" : "    map:\n";
    for (const std::string& rule : source.rules) {
      out += fmt::format("      - {}\n", rule);
    }
  }
  return out;
}

}  // namespace

std::vector<std::string> ImportNotes::in_file_order() const {
  std::vector<std::string> all;
  for (const auto& [line, text] : notes_) {
    all.push_back(line == 0 ? text : fmt::format("line {}: {}", line, text));
  }
  return all;
}

std::string bounded_duration(ImportNotes& notes, int line, std::string_view what,
                             std::string_view key, std::chrono::milliseconds time,
                             std::chrono::milliseconds least, std::chrono::milliseconds most) {
  const std::chrono::milliseconds bounded = std::clamp(time, least, most);
  if (bounded != time) {
    notes.add(line, fmt::format("{}: {} is {} ms, since it must lie between {} and {} ms", what,
                                key, bounded.count(), least.count(), most.count()));
  }
  return bounded.count() % 1000 == 0 ? fmt::format("{}s", bounded.count() / 1000)
                                     : fmt::format("{}ms", bounded.count());
}

std::string ImportedConfig::unique_listener_name(const std::string& wanted) const {
  std::string name = wanted;
  for (int i = 2; std::ranges::find(listeners, name, &ImportedListener::name) != listeners.end();
       ++i) {
    name = fmt::format("{}_{}", wanted, i);
  }
  return name;
}

std::string ImportedConfig::to_yaml() const {
  const auto workers = values.find("workers");
  std::string out = workers == values.end() ? "" : fmt::format("workers: {}\n", workers->second);
  out += titled("listeners", listener_lines(*this));
  out += titled("tls", tls_lines(*this));
  out += titled("pools", pool_lines(*this));
  out += titled("users", source_lines(*this));
  for (const std::string_view section : {"login", "limits", "guessing", "relay"}) {
    out += titled(section, value_lines(values, fmt::format("{}.", section), 2));
  }
  return out;
}

}  // namespace headgate::migration
