#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <string>

#include "config/difference.h"
#include "texts.h"

namespace headgate::config {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

// With a source whose section has these keys besides those without which nothing goes.
std::string with_sql(const std::string& keys, const std::string& more = "") {
  return "listeners: [{name: a, address: \"127.0.0.1:0\", tls: none}]\n"
         "pools: {main: {backends: [{address: \"b:143\"}]}}\n"
         "users: [{source: sql, pool: main, sql: {query: \"SELECT :user\", " +
         keys + "}" + more + "}]\n";
}
std::string with_servers(const std::string& keys, const std::string& more = "") {
  return with_sql("driver: postgresql, database: mail, check_password: false, " + keys, more);
}
std::string with_ldap(const std::string& keys, const std::string& more = "") {
  return "listeners: [{name: a, address: \"127.0.0.1:0\", tls: none}]\n"
         "pools: {main: {backends: [{address: \"b:143\"}]}}\n"
         "users: [{source: ldap, pool: main, ldap: {base: \"dc=x\", filter: \"(uid={user})\", "
         "passwords: backend, " +
         keys + "}" + more + "}]\n";
}

TEST(DirectoryServers, sql_takes_one_host_as_before) {
  const Config config = good(with_servers("host: \"db1,db2\", port: 5433"));
  const Sql& sql = *config.users.front().sql;
  EXPECT_EQ(sql.host, "db1,db2");
  EXPECT_THAT(sql.hosts, IsEmpty());
  EXPECT_EQ(sql.hedge_after, 500ms);
}

TEST(DirectoryServers, sql_takes_several_hosts_each_with_a_port_or_without) {
  const Config config = good(with_servers(
      "hosts: [db1, \"db2:5433\", \"192.0.2.1:5434\", \"::1\", \"[::1]:5435\", /run/postgresql], "
      "hedge_after: 1s"));
  const Sql& sql = *config.users.front().sql;
  EXPECT_EQ(sql.host, "");
  EXPECT_THAT(sql.hosts,
              ElementsAre(SqlHost{"db1"}, SqlHost{"db2", 5433}, SqlHost{"192.0.2.1", 5434},
                          SqlHost{"::1"}, SqlHost{"::1", 5435}, SqlHost{"/run/postgresql"}));
  EXPECT_EQ(sql.hedge_after, 1s);
}

TEST(DirectoryServers, sql_says_what_is_wrong_with_its_hosts) {
  const std::string expected = "expected HOST, HOST:PORT or the absolute path of a Unix socket";
  for (const char* bad : {"\"db1,db2\"", "\"db1:0\"", "\"db1:x\"", "\"\"", "\"a b\"", "\"[::1]\"",
                          "\"/a\\nb\"", "\"1.2.3\""}) {
    EXPECT_THAT(errors_of(with_servers(std::string("hosts: [") + bad + "]")),
                ElementsAre(HasSubstr("users[0].sql.hosts[0]: " + expected)))
        << bad;
  }
  EXPECT_THAT(errors_of(with_servers("hosts: []")),
              ElementsAre(HasSubstr("sql.hosts: expected a list of at least one server")));
  EXPECT_THAT(errors_of(with_servers("host: db1, hosts: [db2]")),
              ElementsAre(HasSubstr(
                  "sql.host: expected either host or hosts with driver postgresql, found both")));
  EXPECT_THAT(errors_of(with_servers("port: 5432")),
              ElementsAre(HasSubstr("sql.host: expected either host or hosts with driver "
                                    "postgresql, found neither")));
}

TEST(DirectoryServers, each_server_is_named_once) {
  EXPECT_THAT(
      errors_of(with_servers("port: 5433, hosts: [db1, \"db1:5432\", \"db1:5433\"]")),
      ElementsAre(HasSubstr("sql.hosts[2]: expected another server, found 'db1:5433' again")));
  EXPECT_THAT(
      errors_of(with_ldap("servers: [\"ldap://a\", \"ldap://b\", \"ldap://a\"]")),
      ElementsAre(HasSubstr("ldap.servers[2]: expected another server, found 'ldap://a' again")));
}

TEST(DirectoryServers, sqlite_has_none) {
  EXPECT_THAT(errors_of(with_sql("driver: sqlite, path: x, check_password: false, hosts: [a], "
                                 "hedge_after: 1s")),
              ElementsAre(HasSubstr("sql.hosts: expected nothing with driver sqlite"),
                          HasSubstr("sql.hedge_after: expected nothing with driver sqlite")));
}

TEST(DirectoryServers, a_hedge_comes_before_the_deadline) {
  EXPECT_EQ(good(with_ldap("servers: [\"ldap://a\"], hedge_after: 0s")).users[0].ldap->hedge_after,
            0ms);
  EXPECT_THAT(errors_of(with_ldap("servers: [\"ldap://a\"], hedge_after: 2s", ", deadline: 1s")),
              ElementsAre(HasSubstr("ldap.hedge_after: expected at most the source's deadline "
                                    "(1000ms), found 2000ms")));
  EXPECT_THAT(errors_of(with_servers("host: a, hedge_after: 2s", ", deadline: 1s")),
              ElementsAre(HasSubstr("sql.hedge_after: expected at most the source's deadline")));
  EXPECT_THAT(errors_of(with_servers("host: a, hedge_after: 61s")),
              ElementsAre(HasSubstr("sql.hedge_after: expected a duration with its unit")));
  EXPECT_THAT(errors_of(with_servers("host: a", ", deadline: 100ms")), IsEmpty())
      << "the default is as short as need be";
}

TEST(DirectoryServers, a_change_of_them_is_seen) {
  const Config before = good(with_servers("hosts: [a, b]"));
  EXPECT_TRUE(same(before.users[0], good(with_servers("hosts: [a, b]")).users[0]));
  for (const char* keys :
       {"hosts: [b, a]", "hosts: [a]", "hosts: [a, \"b:1\"]", "hosts: [a, b], hedge_after: 1s"}) {
    const Config after = good(with_servers(keys));
    EXPECT_FALSE(same(before.users[0], after.users[0])) << keys;
    EXPECT_THAT(difference(before, after), SizeIs(1)) << keys;
  }
}

}  // namespace
}  // namespace headgate::config
