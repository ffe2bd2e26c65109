#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <vector>

#include "config/scalars.h"
#include "config/user_sources.h"

namespace headgate::config {

using namespace std::chrono_literals;

namespace {

const Choices<SqlDriver> kDrivers = {{"postgresql", SqlDriver::kPostgresql},
                                     {"mysql", SqlDriver::kMysql},
                                     {"sqlite", SqlDriver::kSqlite}};

void check_servers(Reader& reader, const std::string& path, const Sql& sql) {
  if (reader.has(path + ".host") == reader.has(path + ".hosts")) {
    reader.refuse(path + ".host",
                  fmt::format("either host or hosts with driver {}, found {}", name(sql.driver),
                              reader.has(path + ".host") ? "both" : "neither"));
  }
  std::vector<SqlHost> before;
  for (std::size_t i = 0; i < sql.hosts.size(); ++i) {
    const std::string key = fmt::format("{}.hosts[{}]", path, i);
    const SqlHost& host = sql.hosts[i];
    const SqlHost whole{host.host, host.port != 0 ? host.port : sql.port};
    const bool known = std::ranges::find(before, whole) != before.end();
    before.push_back(whole);
    if (reader.good(key) && known) {
      reader.refuse(key, fmt::format("another server, found '{}' again", to_string(host)));
    }
  }
}

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
  wants(".database", !sqlite);
  if (!sqlite) {
    check_servers(reader, path, sql);
  } else {
    for (const char* key : {".host", ".hosts", ".port", ".hedge_after", ".user", ".password",
                            ".password_file", ".options"}) {
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

}  // namespace

std::string_view name(SqlDriver driver) {
  return word(kDrivers, driver);
}

Type<Sql> sql_type() {
  return section<Sql>(
      {
          key("driver", &Sql::driver, choice(kDrivers), "mysql is for MySQL and MariaDB.",
              {.required = true, .example = "postgresql"}),
          key("path", &Sql::path, file("a file that can be read"),
              "sqlite: the database, opened for reading.", {.example = "users.sqlite"}),
          key("host", &Sql::host, text("a host name, address or path"),
              "Where the server is, if there is one. postgresql: or the folder of its Unix socket; "
              "mysql: or the path of its Unix socket.",
              {.example = "db.example.org"}),
          key("hosts", &Sql::hosts, list_of(sql_host(), "a list of at least one server", 1),
              "Where the servers are, if there are several with the same users: instead of host, "
              "each with a port of its own or without. Asked in this order when those before do "
              "not answer.",
              {.example = R"(["db1.example.org", "db2.example.org:5433"])"}),
          key("port", &Sql::port, number(1U, 65535U), "Not set: the driver's own.",
              {.example = "5432"}),
          key("hedge_after", &Sql::hedge_after, duration(0ms, 1min),
              "How long a server may be silent until the next one is asked as well; the first "
              "answer counts. 0ms: until it has had its share of the deadline."),
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
              "backend or some of them, and one more for each application password, with a label "
              "in a column app; totp is the secret of the user's authenticator. Placeholders: "
              ":user, :local_part, :domain, :ip, :listener.",
              {.required = true,
               .example = R"("SELECT password, backend FROM users WHERE name = :user")"}),
          key("connections", &Sql::connections, number(1U, 256U),
              "Connections to each server, each with a thread of its own, for all workers "
              "together; "
              "made when the server is first asked."),
          key("check_password", &Sql::check_password, boolean(),
              "false: the database says only where the mailbox is and the backend checks the "
              "password."),
      },
      check_sql);
}

}  // namespace headgate::config
