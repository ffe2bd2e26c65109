#include "migration/perdition_popmap.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>
#include <utility>

#include "base/address.h"
#include "config/pattern.h"
#include "config/scalars.h"

namespace headgate::migration {
namespace {

using config::json_text;

// A value of a popmap in its parts.
struct Destination {
  std::string user;     // empty: none is named
  std::string backend;  // HOST:PORT
};

Destination destination_of(std::string_view value, const PopmapOptions& options) {
  Destination found;
  const std::size_t at =
      options.delimiter.empty() ? std::string_view::npos : value.rfind(options.delimiter);
  if (at != std::string_view::npos) {
    found.user = value.substr(0, at);
    value.remove_prefix(at + options.delimiter.size());
  }
  found.backend = perdition_server(value, options.port);
  return found;
}

std::string literally(std::string_view text) {
  std::string out;
  for (const char c : text) {
    out += std::string_view(R"(^$\.*+?()[]{}|/)").contains(c) ? "\\" : "";
    out += c;
  }
  return out;
}

class PopmapImporter {
 public:
  explicit PopmapImporter(const PopmapOptions& options) : options_(options) {}

  void add(const PerditionLine& line, std::string_view who, const std::string& value,
           const Destination& destination, const std::string& rewrite) {
    std::string rule =
        fmt::format("{{{}: {}, backend: {}", who, json_text(value), json_text(destination.backend));
    const std::string name =
        !rewrite.empty() || !options_.strips_for_login ? rewrite : "{local_part}";
    if (name.size() > 512 || value.size() > 512) {
      note(line, "names of more than 512 bytes are refused");
      return;
    }
    rule += name.empty() ? "" : fmt::format(", rewrite: {}", json_text(name));
    made_.rules.push_back(rule + "}");
    if (known_.insert(destination.backend).second) {
      made_.backends.push_back(destination.backend);
    }
  }
  void note(const PerditionLine& line, std::string_view why) {
    made_.notes.push_back(fmt::format("{}: left out: {}", line.line, why));
  }
  [[nodiscard]] const PopmapOptions& options() const { return options_; }
  PopmapRules take() { return std::move(made_); }

 private:
  const PopmapOptions& options_;
  PopmapRules made_;
  std::set<std::string> known_;
};

// There is no implied ^ or $ in Perdition, and both are in Headgate. Lazy: the leftmost match.
std::string whole(std::string_view pattern) {
  if (pattern.contains('|')) {
    return fmt::format(".*?(?:{}).*", pattern);
  }
  const bool begins = pattern.starts_with('^');
  const bool ends = pattern.ends_with('$') && !pattern.ends_with("\\$");
  pattern.remove_prefix(begins ? 1 : 0);
  pattern.remove_suffix(ends ? 1 : 0);
  return fmt::format("{}{}{}", begins ? "" : ".*?", pattern, ends ? "" : ".*");
}

// "$1_$2" → "{1}_{2}"; empty where that is no template.
std::string template_of(std::string_view user, std::size_t groups) {
  std::string out;
  for (std::size_t i = 0; i < user.size(); ++i) {
    if (user[i] == '{' || user[i] == '}') {
      return "";
    }
    const bool group =
        user[i] == '$' && i + 1 < user.size() && user[i + 1] >= '1' && user[i + 1] <= '9';
    if (!group) {
      out += user[i];
      continue;
    }
    if (static_cast<std::size_t>(user[i + 1] - '0') > groups) {
      return "";
    }
    out += fmt::format("{{{}}}", user[++i]);
  }
  return out;
}

void add_regex(PopmapImporter& importer, const PerditionLine& line) {
  std::string_view key = line.key;
  key.remove_suffix(key.ends_with(':') ? 1 : 0);
  const Destination destination = destination_of(line.value, importer.options());
  if (destination.backend.empty()) {
    importer.note(line, line.value.contains('$')
                            ? "the server depends on the user's name; write a rule for each server"
                            : "expected [USER@]SERVER[:PORT]");
    return;
  }
  const std::string pattern = whole(key);
  const auto compiled = config::compile_pattern(pattern, config::Groups::kKeep);
  if (!compiled) {
    importer.note(line, fmt::format("expected {}", compiled.error()));
    return;
  }
  std::string rewrite;
  if (importer.options().takes_user && !destination.user.empty()) {
    rewrite = template_of(destination.user, compiled->mark_count());
    if (rewrite.empty()) {
      importer.note(line, "expected $1 to $9 for groups of the expression, and no braces");
      return;
    }
  }
  importer.add(line, "pattern", pattern, destination, rewrite);
}

}  // namespace

std::string perdition_server(std::string_view text, std::uint16_t port) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 4> kPorts = {
      {{":imap2", ":143"}, {":imap", ":143"}, {":imap4", ":143"}, {":imaps", ":993"}}};
  std::string server(text);
  for (const auto& [name, number] : kPorts) {
    if (server.ends_with(name)) {
      server.replace(server.size() - name.size(), name.size(), number);
      break;
    }
  }
  if (const auto ip = IpAddress::parse(server)) {
    return Endpoint{.ip = *ip, .port = port}.to_string();
  }
  auto both = HostPort::parse(server);
  if (!both) {
    both = HostPort::parse(fmt::format("{}:{}", server, port));
  }
  const bool sane = both && both->port != 0 && !both->host.contains('$');
  return sane ? both->to_string() : "";
}

PopmapRules import_popmap(const std::vector<PerditionLine>& lines, const PopmapOptions& options) {
  PopmapImporter importer(options);
  // A database has each key once; of a key that stands here twice the first one counts.
  std::set<std::string_view> known;
  for (const PerditionLine& line : lines) {
    const Destination destination = destination_of(line.value, options);
    if (destination.backend.empty()) {
      importer.note(line, "expected KEY:[USER@]SERVER[:PORT]");
    } else if (destination.user.find_first_of("{}") != std::string::npos) {
      importer.note(line, "braces in a user name");
    } else if (known.insert(line.key).second) {
      const std::string rewrite = options.takes_user ? destination.user : "";
      if (options.strips_for_lookup && !line.key.contains('@')) {
        importer.add(line, "pattern", literally(line.key) + "(@.*)?", destination, rewrite);
      } else {
        importer.add(line, "user", line.key, destination, rewrite);
      }
    } else {
      importer.note(line, "this key stands above already");
    }
  }
  return importer.take();
}

PopmapRules import_regex_popmap(const std::vector<PerditionLine>& lines,
                                const PopmapOptions& options) {
  PopmapImporter importer(options);
  for (const PerditionLine& line : lines) {
    add_regex(importer, line);
  }
  return importer.take();
}

}  // namespace headgate::migration
