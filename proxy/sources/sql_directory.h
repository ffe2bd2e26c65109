#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <expected>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/secret.h"
#include "base/unique_fd.h"
#include "sources/directory.h"
#include "sources/sql_query.h"
#include "sources/user_record.h"

namespace soci {
class session;
}

namespace headgate::sources {

enum class SqlDriver : std::uint8_t { kPostgresql, kMysql, kSqlite };

struct SqlServer {
  std::string host;   // name, address, or folder or path of a Unix socket
  unsigned port = 0;  // 0: the driver's own

  [[nodiscard]] std::string to_string() const;  // for logs and metrics
};

struct SqlOptions {
  SqlDriver driver = SqlDriver::kSqlite;
  std::string path;                // kSqlite; what follows until `options` is for the others
  std::vector<SqlServer> servers;  // at least one; asked in this order
  // Until the next server is asked as well where one is late with an answer; 0: when it has had its
  // share of the deadline.
  std::chrono::milliseconds hedge_after{500};
  std::string database;
  std::string user;
  Secret password;
  std::string options;  // more of the driver's own, as "key=value key=value"
  std::string query;
  unsigned connections = 4;  // to each server
  bool checks_password = true;
};

// One connection to an SQL database, by SOCI.
class SqlDirectory : public Directory {
 public:
  // What all connections of one source share.
  struct Shared {
    SqlOptions options;
    SqlQuery query;
    RecordChecker checker;
    std::chrono::seconds timeout;  // for connecting, and for a lock of SQLite
  };

  // `server`: the one of the options that this is a connection to; without meaning for SQLite.
  SqlDirectory(std::shared_ptr<Shared> shared, SqlServer server);
  ~SqlDirectory() override;

  auth::LookupResult look_up(const auth::LoginRequest& request, Asker& asker) override;
  auth::LookupResult explain(std::string_view user, Asker& asker) override;
  void interrupt() noexcept override;

 private:
  using Found = std::expected<std::vector<UserRecord>, auth::LookupResult>;

  Found find(std::string_view user, const std::string& ip, std::string_view listener);
  Found ask(std::string_view user, const std::string& ip, std::string_view listener);
  void connect();
  void disconnect();

  const std::shared_ptr<Shared> shared_;
  const SqlServer server_;
  std::atomic<bool> interrupted_{false};
  std::mutex mutex_;  // guards that what follows is there; its thread alone changes it
  std::unique_ptr<soci::session> session_;
  UniqueFd socket_;  // a second descriptor of the connection's, of PostgreSQL's and MySQL's
};

}  // namespace headgate::sources
