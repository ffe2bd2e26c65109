#include "sources/passwd_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

#include "auth/forwarded_fields.h"
#include "auth/max_sessions.h"
#include "base/ascii.h"
#include "base/printable.h"
#include "base/utf8.h"

namespace headgate::sources {
namespace {

// Takes the text up to `separator` off the front, and the separator with it.
std::string_view take_until(std::string_view& text, char separator) {
  const std::size_t end = std::min(text.find(separator), text.size());
  const std::string_view taken = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return taken;
}

bool has_control(std::string_view text) {
  return std::ranges::any_of(
      text, [](char byte) { return static_cast<unsigned char>(byte) < 0x20 || byte == 0x7F; });
}

// The extra fields, or nothing, of what stands behind the hash.
std::string_view find_extra(std::string_view rest) {
  if (rest.substr(0, rest.find(':')).find('=') != std::string_view::npos) {
    return rest;
  }
  constexpr int kSystemFields = 5;  // uid, gid, gecos, home, shell
  for (int field = 0; field < kSystemFields; ++field) {
    take_until(rest, ':');
  }
  return rest;
}

using Problem = std::optional<std::string>;

constexpr std::size_t kLongestLabel = 64;

Problem take_field(std::string_view word, PasswdEntry& entry) {
  auth::Route& route = entry.route;
  const std::string_view key = take_until(word, '=');
  const std::string_view value = word;
  if (key.starts_with("userdb_")) {
    return std::nullopt;
  }
  const bool forward = key.starts_with(auth::kForwardPrefix);
  if (key != "pool" && key != "backend" && key != "backend_user" && key != "app" && key != "totp" &&
      key != "max_sessions" && !forward) {
    return fmt::format(
        "expected pool=, backend=, backend_user=, app=, totp=, max_sessions=, forward_…= or "
        "userdb_…; found '{}'",
        printable(key, 64));
  }
  if (value.empty()) {
    return fmt::format("expected a value behind {}=; found nothing", key);
  }
  if (forward || key == "max_sessions") {
    const auto set = forward ? auth::add_forwarded(key, value, route)
                             : auth::set_max_sessions(key, value, route);
    return set ? std::nullopt : Problem(set.error());
  }
  if (key == "app" && value.size() > kLongestLabel) {
    return fmt::format("app: expected a label of at most {} bytes; found {}", kLongestLabel,
                       value.size());
  }
  if (key == "totp") {
    auto secret = proof::TotpSecret::parse(value);
    if (!secret) {
      return "totp: " + secret.error();
    }
    entry.totp = *std::move(secret);
  } else if (key == "app") {
    route.app_password = value;
  } else if (key == "pool") {
    route.pool = value;
  } else if (key == "backend_user") {
    route.user = value;
  } else if (auto address = HostPort::parse(value)) {
    route.backend = *std::move(address);
  } else {
    return fmt::format("backend: {}", address.error());
  }
  return std::nullopt;
}

std::expected<std::pair<std::string_view, PasswdEntry>, std::string> parse_line(
    std::string_view line, int number) {
  if (line.size() > PasswdTable::kLongestLine) {
    return std::unexpected(fmt::format("expected a line of at most {} bytes; found {}",
                                       PasswdTable::kLongestLine, line.size()));
  }
  if (!is_utf8(line) || has_control(line)) {
    return std::unexpected("expected UTF-8 text without control characters");
  }
  const std::string_view user = take_until(line, ':');
  if (user.empty()) {
    return std::unexpected("expected user:hash; found no user name");
  }
  const std::string_view written = take_until(line, ':');
  auto hash = proof::PasswordHash::parse(written);
  if (!hash) {
    return std::unexpected(std::move(hash.error()));
  }
  PasswdEntry entry{.hash = *std::move(hash),
                    .route = {},
                    .line = number,
                    .locked = written.starts_with('!'),
                    .apps = {}};
  entry.route.use_master = true;
  for (std::string_view extra = find_extra(line); !extra.empty();) {
    const std::string_view word = take_until(extra, ' ');
    if (word.empty()) {
      continue;
    }
    if (Problem problem = take_field(word, entry)) {
      return std::unexpected(*std::move(problem));
    }
  }
  const bool renamed = !entry.route.user.empty();
  if (!renamed) {
    entry.route.user = user;
  }
  if (entry.route.app_password &&
      (entry.route.pool || entry.route.backend || entry.totp || entry.route.max_sessions ||
       !entry.route.forward.empty() || renamed)) {
    return std::unexpected(
        "expected app= alone, since the user's own line has the rest; found more");
  }
  return std::pair{user, std::move(entry)};
}

using Entries = std::unordered_map<std::string, PasswdEntry>;

// A line with an application password, for the user whose own line may come later.
struct AppLine {
  std::string_view user;
  PasswdEntry entry;
};

Problem add_app_password(Entries& entries, AppLine& line) {
  const auto owner = entries.find(lower_case(line.user));
  if (owner == entries.end()) {
    return fmt::format("expected a line of '{}' without app=; found none",
                       printable(line.user, 64));
  }
  std::vector<PasswdEntry::AppPassword>& apps = owner->second.apps;
  std::string& label = *line.entry.route.app_password;
  if (std::ranges::find(apps, label, &PasswdEntry::AppPassword::label) != apps.end()) {
    return fmt::format("expected each app= of a user once; found '{}' again", printable(label, 64));
  }
  if (apps.size() + 1 >= proof::kMostPasswords) {
    return fmt::format("expected at most {} passwords of one user; found more",
                       proof::kMostPasswords);
  }
  apps.push_back({std::move(line.entry.hash), std::move(label)});
  return std::nullopt;
}

}  // namespace

std::expected<PasswdTable, std::vector<PasswdError>> PasswdTable::parse(std::string_view text) {
  PasswdTable table;
  std::vector<AppLine> app_lines;
  std::vector<PasswdError> errors;
  for (int number = 1; !text.empty() && errors.size() < kMostErrors; ++number) {
    std::string_view line = take_until(text, '\n');
    if (line.ends_with('\r')) {
      line.remove_suffix(1);
    }
    if (line.empty() || line.front() == '#') {
      continue;
    }
    auto parsed = parse_line(line, number);
    if (!parsed) {
      errors.push_back({number, std::move(parsed.error())});
      continue;
    }
    auto [user, entry] = *std::move(parsed);
    if (entry.route.app_password) {
      app_lines.push_back({user, std::move(entry)});
      continue;
    }
    const auto [place, added] = table.entries_.try_emplace(lower_case(user), std::move(entry));
    if (!added) {
      errors.push_back({number, fmt::format("expected each user once, but for lines with app=; "
                                            "'{}' stands in line {} too",
                                            printable(user, 64), place->second.line)});
    }
  }
  // Not after an error above: the user's own line may be the one with the fault.
  for (auto line = app_lines.begin(); line != app_lines.end() && errors.empty(); ++line) {
    if (Problem problem = add_app_password(table.entries_, *line)) {
      errors.push_back({line->entry.line, *std::move(problem)});
    }
  }
  if (!errors.empty()) {
    return std::unexpected(std::move(errors));
  }
  table.choose_typical_hash();
  table.count_passwords();
  return table;
}

const PasswdEntry* PasswdTable::find(std::string_view user) const {
  const auto place = entries_.find(lower_case(user));
  return place == entries_.end() ? nullptr : &place->second;
}

void PasswdTable::count_passwords() {
  for (const auto& [user, entry] : entries_) {
    counts_.note(
        std::max(entry.apps.size() + (entry.hash.cost_class().empty() ? 0 : 1), std::size_t{1}));
  }
}

void PasswdTable::choose_typical_hash() {
  struct Class {
    std::size_t count = 0;
    const proof::PasswordHash* example = nullptr;
  };
  std::map<std::string_view, Class> classes;
  for (const auto& [user, entry] : entries_) {
    if (const std::string_view cost = entry.hash.cost_class(); !cost.empty()) {
      Class& same = classes[cost];
      ++same.count;
      same.example = &entry.hash;
    }
  }
  const auto most = std::ranges::max_element(
      classes, {}, [](const auto& cost_and_class) { return cost_and_class.second.count; });
  if (most != classes.end()) {
    typical_ = most->second.example->clone();
  }
}

}  // namespace headgate::sources
