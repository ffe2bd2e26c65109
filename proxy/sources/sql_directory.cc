#include "sources/sql_directory.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <soci/mysql/soci-mysql.h>
#include <soci/postgresql/soci-postgresql.h>
#include <soci/soci.h>
#include <soci/sqlite3/soci-sqlite3.h>
#include <sys/socket.h>

#include <algorithm>
#include <utility>

#include "base/address.h"
#include "base/ascii.h"
#include "base/log.h"

namespace headgate::sources {
namespace {

// In quotes, as libpq and SOCI's MySQL driver read them.
std::string quoted(std::string_view value) {
  std::string text = "'";
  for (const char byte : value) {
    if (byte == '\'' || byte == '\\') {
      text += '\\';
    }
    text += byte;
  }
  return text + "'";
}

// "KEY=VALUE ", or nothing for an empty value. SOCI 4.0 takes PostgreSQL's apart at white space but
// for what stands in double quotes, which it removes.
std::string parameter(const SqlOptions& options, std::string_view key, std::string_view value) {
  if (value.empty()) {
    return "";
  }
  const bool wrap = options.driver == SqlDriver::kPostgresql && value.contains(' ');
  return fmt::format("{0}={1}{2}{1} ", key, wrap ? "\"" : "", quoted(value));
}

std::string connect_string(const SqlOptions& options, const SqlServer& server,
                           std::chrono::seconds timeout) {
  const std::string seconds = std::to_string(timeout.count());
  if (options.driver == SqlDriver::kSqlite) {
    return fmt::format("dbname=\"{}\" readonly=true timeout={}", options.path, seconds);
  }
  const bool mysql = options.driver == SqlDriver::kMysql;
  const bool by_path = mysql && server.host.starts_with('/');
  std::string text = parameter(options, by_path ? "unix_socket" : "host", server.host);
  text += parameter(options, "port", server.port == 0 ? "" : std::to_string(server.port));
  text += parameter(options, "dbname", options.database);
  text += parameter(options, "user", options.user);
  text += parameter(options, "password", options.password.view());
  text += parameter(options, "connect_timeout", seconds);
  text += mysql ? parameter(options, "charset", "utf8mb4")
                : parameter(options, "application_name", "headgate") +
                      parameter(options, "client_encoding", "UTF8");
  return text + options.options;
}

const soci::backend_factory& factory(SqlDriver driver) {
  switch (driver) {
    case SqlDriver::kPostgresql:
      return *soci::factory_postgresql();
    case SqlDriver::kMysql:
      return *soci::factory_mysql();
    case SqlDriver::kSqlite:
      break;
  }
  return *soci::factory_sqlite3();
}

// What SOCI has beneath a session; which driver's it is was decided when the session was made.
template <typename Backend>
Backend& backend_of(soci::session& session) {
  return static_cast<Backend&>(*session.get_backend());
}

// The socket of the connection; -1: it has none.
int socket_of(soci::session& session, SqlDriver driver) {
  switch (driver) {
    case SqlDriver::kPostgresql:
      return ::PQsocket(backend_of<soci::postgresql_session_backend>(session).conn_);
    case SqlDriver::kMysql:
      return static_cast<int>(
          ::mysql_get_socket(backend_of<soci::mysql_session_backend>(session).conn_));
    case SqlDriver::kSqlite:
      break;
  }
  return -1;
}

std::expected<std::string, std::string> text_of(const soci::row& row, std::size_t column) {
  switch (row.get_properties(column).get_data_type()) {
    case soci::dt_string:
      return row.get<std::string>(column);
    case soci::dt_integer:
      return std::to_string(row.get<int>(column));
    case soci::dt_long_long:
      return std::to_string(row.get<long long>(column));
    case soci::dt_unsigned_long_long:
      return std::to_string(row.get<unsigned long long>(column));
    default:
      return std::unexpected(std::string("expected text or a whole number"));
  }
}

std::expected<UserRecord, std::string> record_of(const soci::row& row) {
  UserRecord record;
  for (std::size_t column = 0; column < row.size(); ++column) {
    const std::string name = lower_case(row.get_properties(column).get_name());
    if (row.get_indicator(column) == soci::i_null) {
      continue;
    }
    const auto value = text_of(row, column);
    if (!value) {
      return std::unexpected(fmt::format("column {}: {}", name, value.error()));
    }
    if (auto set = set_field(record, name, *value); !set) {
      return std::unexpected(set.error());
    }
  }
  return record;
}

}  // namespace

std::string SqlServer::to_string() const {
  return port == 0 ? host : HostPort{host, static_cast<std::uint16_t>(port)}.to_string();
}

SqlDirectory::SqlDirectory(std::shared_ptr<Shared> shared, SqlServer server)
    : shared_(std::move(shared)), server_(std::move(server)) {}

SqlDirectory::~SqlDirectory() {
  disconnect();
}

auth::LookupResult SqlDirectory::look_up(const auth::LoginRequest& request, Asker& asker) {
  const std::string& user = request.credentials.user;
  Found found = find(user, request.client.ip.to_string(), request.listener);
  if (!found) {
    return std::move(found.error());
  }
  asker.on_server_answer(true);
  if (!asker.waits()) {
    return auth::UnknownHere{};
  }
  if (request.credentials.by_exchange()) {
    return shared_->checker.hand_out(*std::move(found), user);
  }
  return shared_->checker.check(*std::move(found), user, request.credentials.secret,
                                request.login());
}

auth::LookupResult SqlDirectory::explain(std::string_view user, Asker& /*asker*/) {
  Found found = find(user, "127.0.0.1", "");
  if (!found) {
    return std::move(found.error());
  }
  if (found->empty()) {
    return auth::UnknownHere{};
  }
  // The row of the user's own password, where there are several.
  const auto own = std::ranges::find_if(
      *found, [](const UserRecord& record) { return !record.route.app_password; });
  auth::Route route = std::move(own != found->end() ? own->route : found->front().route);
  if (route.user.empty()) {
    route.user = user;
  }
  return auth::Accepted{std::move(route)};
}

// A connection that was there before may have gone meanwhile: then once more with a new one.
SqlDirectory::Found SqlDirectory::find(std::string_view user, const std::string& ip,
                                       std::string_view listener) {
  interrupted_ = false;
  for (;;) {
    const bool was_connected = session_ != nullptr;
    std::string error;
    try {
      if (!was_connected) {
        connect();
      }
      return ask(user, ip, listener);
    } catch (const soci::soci_error& failure) {
      error = failure.get_error_message();
    } catch (const std::exception& failure) {
      error = failure.what();
    }
    disconnect();
    if (interrupted_) {
      return std::unexpected(auth::Unavailable{"interrupted after the deadline"});
    }
    if (!was_connected) {
      return std::unexpected(auth::Unavailable{std::move(error)});
    }
  }
}

// Throws what SOCI throws.
SqlDirectory::Found SqlDirectory::ask(std::string_view user, const std::string& ip,
                                      std::string_view listener) {
  const auto values = shared_->query.values(user, ip, listener);
  soci::row row;
  soci::statement statement(*session_);
  for (const SqlQuery::Value& value : values) {
    statement.exchange(soci::use(value.value, value.name));
  }
  statement.exchange(soci::into(row));
  statement.alloc();
  statement.prepare(shared_->query.text(), soci::details::st_one_time_query);
  statement.define_and_bind();
  std::vector<UserRecord> records;
  bool own = false;  // the row of the user's own password is there
  // One too many tells that there are too many.
  for (bool more = statement.execute(true); more && records.size() <= proof::kMostPasswords;
       more = statement.fetch()) {
    auto record = record_of(row);
    // A query that finds several users must not let one in with the password of another.
    if (record && !record->route.app_password && std::exchange(own, true)) {
      record = std::unexpected(std::string("expected one row at most without app; found several"));
    }
    if (!record) {
      // Not Unavailable: one user's record says nothing about the database.
      log::warning("user record not understood", {{"source", shared_->checker.options().source},
                                                  {"user", user},
                                                  {"error", record.error()}});
      return std::unexpected(auth::Rejected{dialogue::LoginFailure::kLookupUnavailable});
    }
    records.push_back(*std::move(record));
  }
  return records;
}

void SqlDirectory::connect() {
  auto session =
      std::make_unique<soci::session>(factory(shared_->options.driver),
                                      connect_string(shared_->options, server_, shared_->timeout));
  const int socket = socket_of(*session, shared_->options.driver);
  const std::lock_guard lock(mutex_);
  session_ = std::move(session);
  socket_ = UniqueFd(socket < 0 ? -1 : ::fcntl(socket, F_DUPFD_CLOEXEC, 0));
}

void SqlDirectory::disconnect() {
  const std::lock_guard lock(mutex_);
  if (socket_) {
    // So that the library's farewell to a server that hangs does not wait for an answer.
    ::shutdown(socket_.get(), SHUT_RDWR);
  }
  socket_ = UniqueFd();
  session_.reset();
}

void SqlDirectory::interrupt() noexcept {
  interrupted_ = true;
  const std::lock_guard lock(mutex_);
  if (socket_) {
    ::shutdown(socket_.get(), SHUT_RDWR);
  } else if (session_ && shared_->options.driver == SqlDriver::kSqlite) {
    sqlite_api::sqlite3_interrupt(backend_of<soci::sqlite3_session_backend>(*session_).conn_);
  }
}

}  // namespace headgate::sources
