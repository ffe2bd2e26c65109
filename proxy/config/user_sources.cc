#include "config/user_sources.h"

#include <fmt/format.h>

#include "config/scalars.h"

namespace headgate::config {

using namespace std::chrono_literals;

namespace {

void check_breaker(Reader& reader, const std::string& path, const Breaker& breaker) {
  if (breaker.longest_pause < breaker.pause) {
    reader.refuse(reader.has(path + ".longest_pause") ? path + ".longest_pause" : path + ".pause",
                  fmt::format("longest_pause ({}ms) at least as long as pause ({}ms)",
                              breaker.longest_pause.count(), breaker.pause.count()));
  }
}

const Choices<SqlDriver> kDrivers = {{"postgresql", SqlDriver::kPostgresql},
                                     {"mysql", SqlDriver::kMysql},
                                     {"sqlite", SqlDriver::kSqlite}};

void check_sql(Reader& reader, const std::string& path, const Sql& sql) {
  if (!reader.good(path + ".driver")) {
    return;
  }
  const bool sqlite = sql.driver == SqlDriver::kSqlite;
  const auto wants = [&](const char* key, bool here) {
    if (here && !reader.has(path + key)) {
      reader.refuse(path + key,
                    fmt::format("a value with driver {}, found nothing", name(sql.driver)));
    }
    if (!here && reader.has(path + key)) {
      reader.refuse(path + key, fmt::format("nothing with driver {}", name(sql.driver)));
    }
  };
  wants(".path", sqlite);
  wants(".host", !sqlite);
  wants(".database", !sqlite);
  if (sqlite) {
    for (const char* key : {".port", ".user", ".password", ".password_file", ".options"}) {
      wants(key, false);
    }
    if (sql.path.contains('"')) {
      reader.refuse(path + ".path", "a path without '\"'");
    }
  }
  if (sql.driver == SqlDriver::kPostgresql && sql.password.view().contains('"') &&
      sql.password.view().contains(' ')) {
    reader.refuse(reader.has(path + ".password") ? path + ".password" : path + ".password_file",
                  "a password without '\"' or without spaces");
  }
  if (reader.has(path + ".password") && reader.has(path + ".password_file")) {
    reader.refuse(path + ".password_file", "either password or password_file");
  }
}

void check_map_rule(Reader& reader, const std::string& path, const MapRule&) {
  const int kinds = (reader.has(path + ".user") ? 1 : 0) + (reader.has(path + ".domain") ? 1 : 0) +
                    (reader.has(path + ".pattern") ? 1 : 0);
  if (kinds != 1) {
    reader.refuse(path, "one of user, domain and pattern");
  }
}

}  // namespace

std::string_view name(SqlDriver driver) {
  for (const auto& [word, meaning] : kDrivers) {
    if (meaning == driver) {
      return word;
    }
  }
  return "";
}

Type<Sql> sql_type() {
  return section<Sql>(
      {
          key("driver", &Sql::driver, choice(kDrivers), "mysql is for MySQL and MariaDB.",
              {.required = true, .example = "postgresql"}),
          key("path", &Sql::path, file("a file that can be read"),
              "sqlite: the database, opened for reading.", {.example = "users.sqlite"}),
          key("host", &Sql::host, text("a host name, address or path"),
              "Where the server is. postgresql: or the folder of its Unix socket; several hosts "
              "with commas between them are tried in turn. mysql: or the path of its Unix socket.",
              {.example = "db.example.org"}),
          key("port", &Sql::port, number(1U, 65535U), "Not set: the driver's own.",
              {.example = "5432"}),
          key("database", &Sql::database, text("the name of a database"), "Which database.",
              {.example = "mail"}),
          key("user", &Sql::user, text("a user name"), "Whom to log in as.",
              {.example = "headgate"}),
          key("password", &Sql::password, secret(), "Password of this user.",
              {.secret = true, .example = "secret"}),
          key("password_file", &Sql::password, secret_file(),
              "File whose first line is the password.",
              {.secret = true, .example = "sql.password"}),
          key("options", &Sql::options, text("KEY='VALUE' KEY='VALUE'", 4096),
              "More of the driver's own: of libpq for postgresql (sslmode='verify-full'), of SOCI "
              "for mysql (sslca='FILE').",
              {.example = R"("sslmode='verify-full'")"}),
          key("query", &Sql::query, text("an SQL query", 65536),
              "Asked for each login; gives at most one row, with columns password, user, pool and "
              "backend or some of them. Placeholders: :user, :local_part, :domain, :ip, :listener.",
              {.required = true,
               .example = R"("SELECT password, backend FROM users WHERE name = :user")"}),
          key("connections", &Sql::connections, number(1U, 256U),
              "Connections, each with a thread of its own, for all workers together."),
          key("check_password", &Sql::check_password, boolean(),
              "false: the database says only where the mailbox is and the backend checks the "
              "password."),
      },
      check_sql);
}

Type<Breaker> breaker_type() {
  return section<Breaker>(
      {
          key("failures", &Breaker::failures, number(1U, 1'000'000U),
              "Failures in a row after which the source is not asked for a while; logins that need "
              "it get [UNAVAILABLE] at once."),
          key("pause", &Breaker::pause, duration(10ms, 10min),
              "Time until one login is let through to try the source again; doubles with each try "
              "that fails."),
          key("longest_pause", &Breaker::longest_pause, duration(10ms, 1h),
              "What the pause grows to at most."),
      },
      check_breaker);
}

Type<Cache> cache_type() {
  return section<Cache>({
      key("entries", &Cache::entries, number(std::size_t{16}, std::size_t{100'000'000}),
          "Answers kept, so many positive and so many negative ones; each takes about half a KiB."),
      key("ttl", &Cache::ttl, duration(1s, 24h),
          "How long a positive answer holds: this late a changed route or a user who was removed "
          "is noticed. A new password is valid at once, and ends the old one."),
      key("negative_ttl", &Cache::negative_ttl, duration(0s, 1h),
          "How long the same wrong password is refused without asking. 0s: never."),
  });
}

Type<MapRule> map_rule_type() {
  return section<MapRule>(
      {
          key("user", &MapRule::user, text("a user name", 512),
              "This user, without regard to the case of ASCII letters.",
              {.example = R"("alice@example.org")"}),
          key("domain", &MapRule::domain, domain(),
              "Users with this domain behind the last '@', without regard to case.",
              {.example = "example.org"}),
          key("pattern", &MapRule::pattern, pattern(),
              "Users whose whole name matches this ECMAScript regular expression, without regard "
              "to case. No back-references.",
              {.example = R"x("(.+)%(.+)")x"}),
          key("pool", &MapRule::pool, name_text(), "Where they go: a pool.", {.example = "main"}),
          key("backend", &MapRule::backend, host_port(), "Where they go: a backend.",
              {.example = R"("127.0.1.1:10143")"}),
          key("rewrite", &MapRule::rewrite, text("a name", 512),
              "Their name for the backend. {user}, {local_part}, {domain}, and {1} to {9} for the "
              "groups of the pattern. Not set: the name that the client gave.",
              {.example = R"("{local_part}")"}),
      },
      check_map_rule);
}

}  // namespace headgate::config
