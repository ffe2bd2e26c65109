#include "sources/open_directories.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <utility>
#include <vector>

#include "base/whole_file.h"
#include "sources/dovecot_master.h"

namespace headgate::sources {
namespace {

using Opened = std::expected<std::shared_ptr<const Directories>, std::string>;

// One directory for each connection; `make` makes one.
template <typename Make>
std::unique_ptr<DirectoryPool> make_pool(const SourceOptions& options, std::string server,
                                         unsigned connections, const Make& make) {
  std::vector<std::unique_ptr<Directory>> seats;
  for (unsigned i = 0; i < connections; ++i) {
    seats.push_back(make());
  }
  return std::make_unique<DirectoryPool>(std::move(server), std::move(seats),
                                         options.guard.max_queue);
}

// One that is not a server among others.
template <typename Make>
Opened only(const SourceOptions& options, unsigned connections, const Make& make) {
  auto all = std::make_shared<Directories>();
  all->deadline = options.guard.deadline;
  all->servers.push_back(make_pool(options, "", connections, make));
  return all;
}

Opened open_sql(const SourceOptions& options, bool last, const auth::CodeRules& codes) {
  auto query = SqlQuery::parse(options.sql->query);
  if (!query) {
    return std::unexpected(options.name + ": query: " + query.error());
  }
  RecordChecker::Options checks{.source = options.name,
                                .checks_password = options.sql->checks_password,
                                .hash_unknown = last,
                                .codes = codes};
  const std::shared_ptr<SqlDirectory::Shared> shared(new SqlDirectory::Shared{
      .options = std::move(*options.sql),
      .query = *std::move(query),
      .checker = RecordChecker(std::move(checks)),
      .timeout = std::chrono::ceil<std::chrono::seconds>(options.guard.deadline)});
  const SqlOptions& sql = shared->options;
  auto all = std::make_shared<Directories>();
  all->deadline = options.guard.deadline;
  all->hedge_after = sql.hedge_after;
  const auto add = [&](const SqlServer& server, std::string name) {
    all->servers.push_back(make_pool(options, std::move(name), sql.connections, [&] {
      return std::make_unique<SqlDirectory>(shared, server);
    }));
  };
  if (sql.driver == SqlDriver::kSqlite) {
    add({}, sql.path);
  }
  for (const SqlServer& server : sql.servers) {
    add(server, server.to_string());
  }
  return all;
}

Opened open_ldap(const SourceOptions& options, bool last, const auth::CodeRules& codes) {
  auto filter = LdapFilter::parse(options.ldap->filter);
  if (!filter) {
    return std::unexpected(options.name + ": filter: " + filter.error());
  }
  RecordChecker::Options checks{
      .source = options.name,
      .checks_password = options.ldap->passwords != LdapPasswords::kBackend,
      .hash_unknown = last,
      .codes = codes};
  const std::shared_ptr<LdapDirectory::Shared> shared(
      new LdapDirectory::Shared{.options = std::move(*options.ldap),
                                .filter = *std::move(filter),
                                .checker = RecordChecker(std::move(checks)),
                                // A host's next address must have time as well.
                                .timeout = options.guard.deadline / 2});
  LdapConnection::prepare_library();
  const LdapOptions& ldap = shared->options;
  auto all = std::make_shared<Directories>();
  all->deadline = options.guard.deadline;
  all->hedge_after = ldap.hedge_after;
  for (std::size_t at = 0; at < ldap.servers.size(); ++at) {
    all->servers.push_back(make_pool(options, ldap.servers[at].url, ldap.connections,
                                     [&] { return std::make_unique<LdapDirectory>(shared, at); }));
  }
  return all;
}

Opened open_pam(const SourceOptions& options, bool last) {
  const PamOptions& pam = *options.pam;
  // PAM itself takes the service `other` for one that is not there.
  std::vector<std::string> folders = {pam.directory};
  if (pam.directory.empty()) {
    folders = {"/etc/pam.d", "/usr/lib/pam.d"};
  }
  if (std::ranges::none_of(folders, [&](const std::string& folder) {
        return open_regular(folder + "/" + pam.service).has_value();
      })) {
    return std::unexpected(fmt::format("{}: pam.service: expected a file {}/{} that can be read",
                                       options.name, folders.front(), pam.service));
  }
  const std::shared_ptr<const PamDirectory::Shared> shared(
      new PamDirectory::Shared{.options = pam, .last = last});
  return only(options, pam.processes, [&] { return std::make_unique<PamDirectory>(shared); });
}

Opened open_dovecot_master(const SourceOptions& options) {
  const DovecotAuthOptions& dovecot = *options.dovecot_auth;
  const std::shared_ptr<const DovecotMasterDirectory::Shared> shared(
      new DovecotMasterDirectory::Shared{.server = dovecot.master.value(),
                                         .service = dovecot.service,
                                         .timeout = dovecot.timeout});
  return only(options, dovecot.connections,
              [&] { return std::make_unique<DovecotMasterDirectory>(shared); });
}

}  // namespace

std::expected<std::shared_ptr<const Directories>, std::string> open_directories(
    const SourceOptions& options, bool last, const auth::CodeRules& codes) {
  return options.kind == SourceKind::kDovecotAuth ? open_dovecot_master(options)
         : options.kind == SourceKind::kSql       ? open_sql(options, last, codes)
         : options.kind == SourceKind::kLdap      ? open_ldap(options, last, codes)
                                                  : open_pam(options, last);
}

}  // namespace headgate::sources
