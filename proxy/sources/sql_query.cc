#include "sources/sql_query.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/printable.h"

namespace headgate::sources {
namespace {

constexpr std::array<std::string_view, 5> kNames = {"user", "local_part", "domain", "ip",
                                                    "listener"};

bool is_name_byte(char byte) {
  return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') ||
         (byte >= '0' && byte <= '9') || byte == '_';
}

std::string_view local_part(std::string_view user) {
  return user.substr(0, user.rfind('@'));
}
std::string_view domain(std::string_view user) {
  const std::size_t at = user.rfind('@');
  return at == std::string_view::npos ? std::string_view() : user.substr(at + 1);
}

}  // namespace

// Reads quotes and colons as SOCI does, so that both see the same placeholders.
std::expected<SqlQuery, std::string> SqlQuery::parse(std::string text) {
  SqlQuery query(std::move(text));
  const std::string& sql = query.text_;
  bool quoted = false;
  for (std::size_t at = 0; at < sql.size(); ++at) {
    if (sql[at] == '\'') {
      quoted = !quoted;
    }
    if (quoted || sql[at] != ':') {
      continue;
    }
    if (at + 1 < sql.size() && (sql[at + 1] == ':' || sql[at + 1] == '=')) {
      ++at;
      continue;
    }
    const std::size_t begin = at + 1;
    while (at + 1 < sql.size() && is_name_byte(sql[at + 1])) {
      ++at;
    }
    const std::string name = sql.substr(begin, at + 1 - begin);
    if (std::ranges::find(kNames, name) == kNames.end()) {
      return std::unexpected(
          fmt::format("expected the placeholders :user, :local_part, :domain, :ip and :listener; "
                      "found ':{}'",
                      printable(name, 64)));
    }
    if (!query.uses(name)) {
      query.names_.push_back(name);
    }
  }
  if (quoted) {
    return std::unexpected(std::string("expected an even number of quotes (')"));
  }
  if (!query.uses("user") && !query.uses("local_part")) {
    return std::unexpected(std::string("expected :user or :local_part in the query"));
  }
  return query;
}

std::vector<SqlQuery::Value> SqlQuery::values(std::string_view user, const std::string& ip,
                                              std::string_view listener) const {
  std::vector<Value> all;
  for (const std::string& name : names_) {
    const std::string_view value = name == "user"         ? user
                                   : name == "local_part" ? local_part(user)
                                   : name == "domain"     ? domain(user)
                                   : name == "ip"         ? std::string_view(ip)
                                                          : listener;
    all.push_back({name, std::string(value)});
  }
  return all;
}

bool SqlQuery::uses(std::string_view placeholder) const {
  return std::ranges::find(names_, placeholder) != names_.end();
}

}  // namespace headgate::sources
