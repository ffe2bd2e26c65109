#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace headgate::migration {

enum class SqlDialect : std::uint8_t { kPostgresql, kMysql, kSqlite };

// A password_query of Dovecot's with the columns of Headgate's source sql.
struct RenamedQuery {
  std::string text;
  // Columns that say the same of every user ('yes' AS ssl): name and value, as a passdb's fields.
  std::vector<std::pair<std::string, std::string>> constants;
  std::vector<std::string> left_out;  // names of columns; "?": one without a name
  bool backend_checks = false;        // nopassword: only the backend knows the password
};

// `query` is one SELECT whose columns all have names; nullopt: it is anything else. host and port
// become one column: without port `usual_port`, or 993 where ssl is a constant.
std::optional<RenamedQuery> rename_dovecot_columns(std::string_view query, SqlDialect dialect,
                                                   std::uint16_t usual_port);

}  // namespace headgate::migration
