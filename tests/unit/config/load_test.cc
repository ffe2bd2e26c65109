#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "config/config.h"
#include "texts.h"

namespace headgate::config {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

// The minimal configuration that must run as it stands.
constexpr std::string_view kMinimal = R"(listeners:
  - {name: imaps, address: "0.0.0.0:993", tls: implicit}
  - {name: imap, address: "0.0.0.0:143", tls: starttls}
tls:
  certificates:
    - {certificate: fullchain.pem, key: privkey.pem}
pools:
  main:
    policy: user_hash
    backends:
      - {address: "127.0.1.1:10143"}
      - {address: "127.0.1.2:10143", weight: 200}
users:
  - {source: backend, pool: main}   # the backend checks the password
admin:
  address: "127.0.0.1:9143"
)";

// A listener, a pool and a source on the lines 1 to 3: the shortest good file.
const std::string kShort =
    "listeners: [{name: a, address: \"127.0.0.1:0\", tls: none}]\n"
    "pools: {main: {backends: [{address: \"b:143\"}]}}\n"
    "users: [{source: backend, pool: main}]\n";

class Folder : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = (std::filesystem::temp_directory_path() / "headgate-config-XXXXXX").string();
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    folder_ = name;
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  std::string write(const std::string& name, std::string_view text) const {
    const auto path = folder_ / name;
    std::ofstream(path) << text;
    return path.string();
  }
  std::filesystem::path folder_;
};

TEST_F(Folder, minimal_file_loads_as_it_stands) {
  write("fullchain.pem", "certificate");
  write("privkey.pem", "key");
  const auto config = load(write("headgate.yaml", kMinimal));
  ASSERT_TRUE(config) << config.error().front().to_string();
  ASSERT_EQ(config->listeners.size(), 2U);
  EXPECT_EQ(config->listeners[0].name, "imaps");
  EXPECT_EQ(config->listeners[0].address.to_string(), "0.0.0.0:993");
  EXPECT_EQ(config->listeners[1].tls, TlsMode::kStartTls);
  ASSERT_EQ(config->tls.certificates.size(), 1U);
  EXPECT_EQ(config->tls.certificates[0].key, (folder_ / "privkey.pem").string());
  ASSERT_EQ(config->pools.size(), 1U);
  EXPECT_EQ(config->pools[0].name, "main");
  EXPECT_EQ(config->pools[0].backends[1].weight, 200U);
  EXPECT_TRUE(config->pools[0].verify);
  EXPECT_EQ(config->users[0].kind, SourceKind::kBackend);
  ASSERT_EQ(config->admin.addresses.size(), 1U);
  EXPECT_EQ(config->admin.addresses[0].to_string(), "127.0.0.1:9143");
  EXPECT_EQ(config->relay.idle_timeout, 31min);
}

TEST_F(Folder, files_that_cannot_be_read_are_errors_with_the_reason) {
  write("privkey.pem", "key");
  std::filesystem::create_directory(folder_ / "fullchain.pem");
  const std::string file = write("headgate.yaml", kMinimal);
  const auto config = load(file);
  ASSERT_FALSE(config);
  ASSERT_EQ(config.error().size(), 1U);
  EXPECT_EQ(
      config.error()[0].to_string(),
      file + ":6: tls.certificates[0].certificate: expected a PEM file that can be read, found '" +
          (folder_ / "fullchain.pem").string() + "': it is no regular file");
}

TEST_F(Folder, missing_configuration_is_an_error_of_the_whole_file) {
  const auto config = load((folder_ / "none.yaml").string());
  ASSERT_FALSE(config);
  EXPECT_EQ(config.error()[0].to_string(),
            (folder_ / "none.yaml").string() +
                ": expected a file that can be read, found: No such file or directory");
  EXPECT_FALSE(load(folder_.string()));
}

TEST_F(Folder, master_password_comes_from_the_first_line_of_its_file) {
  write("master.password", "s3cret\nnot this\n");
  write("users.passwd", "");
  const auto config =
      load(write("headgate.yaml",
                 "listeners: [{name: a, address: \"127.0.0.1:0\", tls: none}]\n"
                 "pools:\n"
                 "  main:\n"
                 "    master: {user: admin, password_file: master.password}\n"
                 "    backends: [{address: \"b:143\"}]\n"
                 "users: [{source: passwd_file, path: users.passwd, pool: main}]\n"));
  ASSERT_TRUE(config) << config.error().front().to_string();
  EXPECT_TRUE(config->pools[0].master->password.equals("s3cret"));
  EXPECT_EQ(config->pools[0].master->user, "admin");
}

TEST_F(Folder, empty_password_file_is_an_error_that_shows_nothing_of_it) {
  write("master.password", "\nhunter2\n");
  const auto master =
      load(write("headgate.yaml",
                 "listeners: [{name: a, address: \"127.0.0.1:0\", tls: none}]\n"
                 "pools: {main: {master: {user: a, password_file: master.password}, backends: "
                 "[{address: \"b:1\"}]}}\n"
                 "users: [{source: passwd_file, path: headgate.yaml, pool: main}]\n"));
  ASSERT_FALSE(master);
  ASSERT_EQ(master.error().size(), 1U);
  EXPECT_EQ(master.error()[0].key, "pools.main.master.password_file");
  EXPECT_THAT(master.error()[0].to_string(), Not(HasSubstr("hunter2")));
}

TEST(Load, pools_keep_the_order_of_the_file) {
  const Config config = good(
      "listeners: [{name: a, address: \"127.0.0.1:0\", tls: none}]\n"
      "pools:\n"
      "  zeta: {backends: [{address: \"b:143\"}]}\n"
      "  alpha: {backends: [{address: \"b:143\"}]}\n"
      "  mid: {backends: [{address: \"b:143\"}]}\n"
      "users: [{source: backend, pool: mid}]\n");
  ASSERT_EQ(config.pools.size(), 3U);
  EXPECT_EQ(config.pools[0].name, "zeta");
  EXPECT_EQ(config.pools[1].name, "alpha");
  EXPECT_EQ(config.pools[2].name, "mid");
}

TEST(Load, every_key_reaches_its_member) {
  const Config config = good(R"(
workers: 3
listeners:
  - name: behind_lb
    address: "[::1]:10143"
    tls: none
    proxy_protocol: {trusted: ["10.0.0.0/8", "::1"], timeout: 500ms}
    backlog: 17
    max_sessions: 18
tls:
  certificates: [{certificate: c.pem, key: /k.pem}]
  minimum_version: 1.3
  ciphers: A:B
  cipher_suites: C
  groups: D
  session_tickets: 0
pools:
  main:
    tls: implicit
    verify: false
    ca: ca.pem
    forward_client: none
    master: {user: m, password: "12 34"}
    backends:
      - {address: "mail1.example.org:993", weight: 0}
      - {address: "mail2.example.org:993", backup: true}
      - {address: "mail3.example.org:993", share: 2.5%, max_sessions: 19}
    max_sessions: 20
    hash: without_detail
    load_bound: 125
    failback: at_once
    pins: [{domain: Example.NET, backend: "mail2.example.org:993", fallback: true}]
    connect_timeout: 1s
    login_timeout: 2m
    retry_after: 50ms
    ready_connections: 4
    ready_for: 20s
users: [{source: passwd_file, path: users.passwd, pool: main}]
routes: [{domain: Example.ORG, pool: main}, {pattern: "a.*", pool: main}]
login:
  timeout: 30s
  max_line: 1000
  max_literal: 1KiB
  max_total: 1MiB
  max_sessions: 5
  max_failures: 7
  max_bad_commands: 8
  failure_delay: 0ms
  capabilities: {add: [XONE, "XTWO=3"], remove: [SASL-IR]}
  greeting: "Welcome, human."
relay: {idle_timeout: 2h, idle_command_timeout: 3h, stall_timeout: 61s, half_close_timeout: 5s, keepalive: 0s, buffer_size: 16KiB, own_tls_records: false}
limits: {sessions_per_user: 21, sessions_per_user_and_network: 22, sessions_per_network: 23, ipv4_prefix: 24, ipv6_prefix: 56, exempt: ["10.0.0.0/8"]}
admin: {address: "127.0.0.1:0"}
log: {level: debug, format: json}
)");
  EXPECT_EQ(config.workers, 3U);
  const Listener& listener = config.listeners.at(0);
  EXPECT_EQ(listener.tls, TlsMode::kNone);
  EXPECT_EQ(listener.proxy_protocol->trusted.at(1).to_string(), "::1/128");
  EXPECT_EQ(listener.proxy_protocol->timeout, 500ms);
  EXPECT_EQ(listener.backlog, 17);
  EXPECT_EQ(config.tls.certificates.at(0).certificate, "c.pem");
  EXPECT_EQ(config.tls.certificates.at(0).key, "/k.pem");
  EXPECT_EQ(config.tls.minimum_version, "1.3");
  EXPECT_EQ(config.tls.ciphers, "A:B");
  EXPECT_EQ(config.tls.cipher_suites, "C");
  EXPECT_EQ(config.tls.groups, "D");
  EXPECT_EQ(config.tls.session_tickets, 0U);
  const Pool& pool = config.pools.at(0);
  EXPECT_EQ(pool.tls, TlsMode::kImplicit);
  EXPECT_FALSE(pool.verify);
  EXPECT_EQ(pool.ca, "ca.pem");
  EXPECT_EQ(pool.forward_client, ForwardClient::kNone);
  EXPECT_TRUE(pool.master->password.equals("12 34"));
  EXPECT_EQ(pool.backends.at(0).weight, 0U);
  EXPECT_TRUE(pool.backends.at(1).backup);
  EXPECT_EQ(pool.backends.at(2).share, 250U);
  EXPECT_EQ(pool.hash, HashInput::kWithoutDetail);
  EXPECT_EQ(pool.load_bound, 125U);
  EXPECT_EQ(pool.failback, Failback::kAtOnce);
  EXPECT_EQ(pool.pins.at(0).domain, "example.net");
  EXPECT_EQ(pool.pins.at(0).backend.to_string(), "mail2.example.org:993");
  EXPECT_TRUE(pool.pins.at(0).fallback);
  EXPECT_EQ(pool.connect_timeout, 1s);
  EXPECT_EQ(pool.login_timeout, 2min);
  EXPECT_EQ(pool.retry_after, 50ms);
  EXPECT_EQ(pool.ready_connections, 4U);
  EXPECT_EQ(pool.ready_for, 20s);
  EXPECT_EQ(config.users.at(0).kind, SourceKind::kPasswdFile);
  EXPECT_EQ(config.users.at(0).path, "users.passwd");
  EXPECT_EQ(config.routes.at(0).domain, "example.org");
  EXPECT_EQ(config.routes.at(1).pattern, "a.*");
  const Login& login = config.login;
  EXPECT_EQ(login.timeout, 30s);
  EXPECT_EQ(login.max_line, 1000U);
  EXPECT_EQ(login.max_literal, 1024U);
  EXPECT_EQ(login.max_total, 1048576U);
  EXPECT_EQ(login.max_sessions, 5U);
  EXPECT_EQ(login.max_failures, 7U);
  EXPECT_EQ(login.max_bad_commands, 8U);
  EXPECT_EQ(login.failure_delay, 0ms);
  EXPECT_THAT(login.capabilities_add, ElementsAre("XONE", "XTWO=3"));
  EXPECT_THAT(login.capabilities_remove, ElementsAre("SASL-IR"));
  EXPECT_EQ(login.greeting, "Welcome, human.");
  EXPECT_EQ(config.relay.idle_timeout, 2h);
  EXPECT_EQ(config.relay.idle_command_timeout, 3h);
  EXPECT_EQ(config.relay.stall_timeout, 61s);
  EXPECT_EQ(config.relay.half_close_timeout, 5s);
  EXPECT_EQ(config.relay.keepalive, 0s);
  EXPECT_EQ(config.relay.buffer_size, 16384U);
  EXPECT_FALSE(config.relay.own_tls_records);
  EXPECT_EQ(listener.max_sessions, 18U);
  EXPECT_EQ(pool.backends.at(2).max_sessions, 19U);
  EXPECT_EQ(pool.max_sessions, 20U);
  EXPECT_EQ(config.limits.sessions_per_user, 21U);
  EXPECT_EQ(config.limits.sessions_per_user_and_network, 22U);
  EXPECT_EQ(config.limits.sessions_per_network, 23U);
  EXPECT_EQ(config.limits.ipv4_prefix, 24U);
  EXPECT_EQ(config.limits.ipv6_prefix, 56U);
  EXPECT_EQ(config.limits.exempt.at(0).to_string(), "10.0.0.0/8");
  EXPECT_EQ(config.log.level, log::Level::kDebug);
  EXPECT_EQ(config.log.format, log::Format::kJson);
}

TEST(Load, anchors_and_aliases_are_followed) {
  const Config config = good(
      "listeners: [{name: a, address: \"127.0.0.1:0\", tls: none}]\n"
      "pools:\n"
      "  one: &p {backends: [{address: \"b:143\"}]}\n"
      "  two: *p\n"
      "users: [{source: backend, pool: two}]\n");
  EXPECT_EQ(config.pools.at(1).backends.at(0).address.host, "b");
}

TEST(Load, all_errors_come_at_once_in_file_order) {
  EXPECT_THAT(
      errors_of("workers: many\n"
                "listeners:\n"
                "  - {name: imaps, address: 993, tls: implicit}\n"
                "  - {name: 'a b', address: \"127.0.0.1:143\", tls: ssl}\n"
                "pools:\n"
                "  main:\n"
                "    policy: guess\n"
                "    connect_timeout: 5\n"
                "    backends:\n"
                "      - {address: \"b:0\", weight: heavy}\n"
                "users:\n"
                "  - {source: auth_https, pool: mian}\n"
                "login: {max_line: 1TiB}\n"),
      ElementsAre(
          "t.yaml:1: workers: expected a whole number from 0 to 1024, found 'many'",
          "t.yaml:3: listeners[0].address: expected ADDRESS:PORT, for example 192.0.2.1:993 or "
          "[2001:db8::1]:993, found '993'",
          "t.yaml:3: listeners[0].tls: expected a certificate in tls.certificates for a listener "
          "with "
          "tls implicit, found none",
          "t.yaml:4: listeners[1].name: expected a name of letters, digits, '_', '-' and '.', at "
          "most "
          "64, found 'a b'",
          "t.yaml:4: listeners[1].tls: expected one of none, starttls, implicit, found 'ssl'",
          "t.yaml:7: pools.main.policy: expected one of user_hash, least_sessions, power_of_two, "
          "round_robin, random, first, source_hash, found 'guess'",
          "t.yaml:8: pools.main.connect_timeout: expected a duration with its unit (ms, s, m or h) "
          "from 50ms to 1m, found '5'",
          "t.yaml:10: pools.main.backends[0].address: expected HOST:PORT with a port from 1 to "
          "65535, "
          "for example mail1.example.org:993 or [2001:db8::1]:993, found 'b:0'",
          "t.yaml:10: pools.main.backends[0].weight: expected a whole number from 0 to 10000, "
          "found "
          "'heavy'",
          "t.yaml:12: users[0].source: expected one of backend, passwd_file, sql, ldap, map, "
          "auth_http, oauth, pam, certificate, dovecot_auth, found 'auth_https'",
          "t.yaml:12: users[0].pool: expected the name of a pool (main), found 'mian'",
          "t.yaml:13: login.max_line: expected a size in bytes (or with the unit KiB or MiB) from "
          "512 "
          "to 1MiB, found '1TiB'"));
}

TEST(Load, unknown_key_gets_a_suggestion) {
  EXPECT_THAT(
      errors_of(kShort + "listener: 1\nlogin: {max_lines: 1}\nrelay: {xyzzy: 1}\n"),
      ElementsAre("t.yaml:4: listener: expected a known key, found 'listener'; did you mean "
                  "'listeners'?",
                  "t.yaml:5: login.max_lines: expected a known key, found 'max_lines'; did you "
                  "mean 'max_line'?",
                  "t.yaml:6: relay.xyzzy: expected a known key, found 'xyzzy'; known here: "
                  "idle_timeout, idle_command_timeout, stall_timeout, half_close_timeout, "
                  "keepalive, buffer_size, own_tls_records"));
}

TEST(Load, key_that_stands_there_twice_is_an_error) {
  EXPECT_THAT(
      errors_of(kShort + "workers: 1\nworkers: 2\n"),
      ElementsAre("t.yaml:5: workers: expected each key once, found it again after line 4"));
  EXPECT_THAT(
      errors_of("listeners: [{name: a, address: \"127.0.0.1:0\", tls: none}]\n"
                "pools:\n"
                "  main: {backends: [{address: \"b:1\"}]}\n"
                "  main: {backends: [{address: \"c:1\"}]}\n"
                "users: [{source: backend, pool: main}]\n"),
      ElementsAre("t.yaml:4: pools.main: expected each key once, found it again after line 3"));
}

TEST(Load, missing_keys_are_named) {
  EXPECT_THAT(errors_of(""), ElementsAre("t.yaml:1: listeners: expected a list of at least one "
                                         "listener, found nothing",
                                         "t.yaml:1: pools: expected at least one pool of backends, "
                                         "found nothing",
                                         "t.yaml:1: users: expected a list of at least one user "
                                         "source, found nothing"));
  EXPECT_THAT(errors_of("listeners: []\npools: {}\nusers: []\n"),
              ElementsAre("t.yaml:1: listeners: expected a list of at least one listener, found an "
                          "empty list",
                          "t.yaml:2: pools: expected at least one pool of backends, found an empty "
                          "section",
                          "t.yaml:3: users: expected a list of at least one user source, found an "
                          "empty list"));
}

TEST(Load, value_of_the_wrong_shape_is_named) {
  EXPECT_THAT(
      errors_of(kShort + "login: 5\nrelay: [1]\nroutes: {}\nworkers:\nlog: {level: [info]}\n"),
      ElementsAre("t.yaml:4: login: expected a section, found a text",
                  "t.yaml:5: relay: expected a section, found a list",
                  "t.yaml:6: routes: expected a list of routes, found a section",
                  "t.yaml:7: workers: expected a whole number from 0 to 1024, found nothing",
                  "t.yaml:8: log.level: expected one of debug, info, warning, error, found a "
                  "list"));
  EXPECT_THAT(errors_of("just words\n"),
              testing::Contains("t.yaml:1: expected a section, found a text"));
}

TEST(Load, names_and_addresses_stand_there_once) {
  EXPECT_THAT(
      errors_of("listeners:\n"
                "  - {name: a, address: \"127.0.0.1:143\", tls: none}\n"
                "  - {name: a, address: \"127.0.0.1:0\", tls: none}\n"
                "  - {name: b, address: \"127.0.0.1:143\", tls: none}\n"
                "  - {name: c, address: \"127.0.0.1:0\", tls: none}\n"
                "pools:\n"
                "  main:\n"
                "    backends:\n"
                "      - {address: \"b:143\"}\n"
                "      - {address: \"b:143\"}\n"
                "users: [{source: backend, pool: main}]\n"
                "admin: {address: \"127.0.0.1:143\"}\n"),
      ElementsAre("t.yaml:3: listeners[1].name: expected another name, found 'a' again, which "
                  "listeners[0].name has (line 2)",
                  "t.yaml:4: listeners[2].address: expected another address, found "
                  "'127.0.0.1:143' again, which listeners[0].address has (line 2)",
                  "t.yaml:10: pools.main.backends[1].address: expected another address, found "
                  "'b:143' again, which pools.main.backends[0].address has (line 9)",
                  "t.yaml:12: admin.address: expected another address, found '127.0.0.1:143' "
                  "again, which listeners[0].address has (line 2)"));
}

TEST(Load, route_has_either_a_domain_or_a_pattern_that_compiles) {
  EXPECT_THAT(errors_of(kShort + "routes:\n"
                                 "  - {pool: main}\n"
                                 "  - {domain: a, pattern: b, pool: main}\n"
                                 "  - {pattern: '(a', pool: main}\n"
                                 "  - {pattern: '(a)\\1', pool: main}\n"
                                 "  - {domain: '@a', pool: other}\n"),
              ElementsAre("t.yaml:5: routes[0]: expected either domain or pattern",
                          "t.yaml:6: routes[1]: expected either domain or pattern",
                          HasSubstr("t.yaml:7: routes[2].pattern: expected a regular expression "
                                    "(ECMAScript syntax; "),
                          "t.yaml:8: routes[3].pattern: expected a regular expression without "
                          "back-references, found '(a)\\x5c1'",
                          "t.yaml:9: routes[4].domain: expected a domain, for example example.org, "
                          "found '@a'",
                          "t.yaml:9: routes[4].pool: expected the name of a pool (main), found "
                          "'other'"));
}

std::vector<std::string> pool_errors(const std::string& keys) {
  return errors_of(
      "listeners: [{name: a, address: \"127.0.0.1:0\", tls: none}]\n"
      "users: [{source: backend, pool: main}]\n"
      "pools:\n  main:\n" +
      keys);
}

TEST(Load, shares_are_percentages_that_leave_somebody_for_the_others) {
  for (const std::string bad : {"2", "101%", "-1%", "1.234%", "1.%", "%", "100.01%", "x%"}) {
    EXPECT_EQ(
        pool_errors("    backends: [{address: \"a:1\"}, {address: \"b:1\", share: " + bad + "}]\n")
            .size(),
        1U)
        << bad;
  }
  EXPECT_THAT(pool_errors("    backends:\n"
                          "      - {address: \"a:1\", share: 60%}\n"
                          "      - {address: \"b:1\", share: 40.01%}\n"),
              ElementsAre("t.yaml:7: pools.main.backends[1].share: expected shares of at most 100% "
                          "in one pool together"));
  EXPECT_THAT(pool_errors("    backends:\n"
                          "      - {address: \"a:1\", share: 60%, backup: true}\n"
                          "      - {address: \"b:1\", backup: true}\n"),
              ElementsAre("t.yaml:6: pools.main.backends[0].share: expected no share for a backup, "
                          "which gets users only while no other one is up",
                          "t.yaml:6: pools.main.backends: expected at least one backend that is "
                          "neither a backup nor has a share"));
}

TEST(Load, a_load_bound_goes_with_user_hash_and_is_no_less_than_the_mean) {
  EXPECT_TRUE(pool_errors("    load_bound: 0\n    backends: [{address: \"a:1\"}]\n").empty());
  for (const std::string bad : {"99", "1001", "1.25", "125%"}) {
    EXPECT_EQ(
        pool_errors("    load_bound: " + bad + "\n    backends: [{address: \"a:1\"}]\n").size(), 1U)
        << bad;
  }
  EXPECT_THAT(pool_errors("    policy: random\n    load_bound: 125\n"
                          "    backends: [{address: \"a:1\"}]\n"),
              ElementsAre("t.yaml:6: pools.main.load_bound: expected no bound with policy random, "
                          "only with user_hash"));
}

TEST(Load, a_pin_names_one_kind_of_user_and_a_backend_of_its_pool) {
  EXPECT_THAT(pool_errors("    backends: [{address: \"a:1\"}]\n"
                          "    pins:\n"
                          "      - {backend: \"a:1\"}\n"
                          "      - {user: u, domain: d, backend: \"a:1\"}\n"
                          "      - {user: u, backend: \"b:1\"}\n"
                          "      - {pattern: \"(\", backend: \"a:1\"}\n"),
              ElementsAre("t.yaml:7: pools.main.pins[0]: expected exactly one of user, domain and "
                          "pattern",
                          "t.yaml:8: pools.main.pins[1]: expected exactly one of user, domain and "
                          "pattern",
                          "t.yaml:9: pools.main.pins[2].backend: expected the address of one of "
                          "the pool's backends, found 'b:1'",
                          HasSubstr("t.yaml:10: pools.main.pins[3].pattern: expected a regular")));
}

TEST(Load, source_has_the_keys_of_its_kind) {
  EXPECT_THAT(
      errors_of("listeners: [{name: a, address: \"127.0.0.1:0\", tls: none}]\n"
                "pools: {main: {backends: [{address: \"b:143\"}]}}\n"
                "users:\n"
                "  - {source: passwd_file, pool: main}\n"
                "  - {source: backend, path: x, pool: main}\n"
                "  - {source: backend}\n"),
      ElementsAre("t.yaml:4: users[0].path: expected a file that can be read, found nothing",
                  "t.yaml:5: users[1].path: expected no path, which is for source passwd_file",
                  "t.yaml:6: users[2].pool: expected the name of a pool, found nothing"));
}

// A listener and users on the lines 1 and 2; `source` is what stands behind the source's name.
std::string with_auth_http(const std::string& pools, const std::string& source) {
  return "listeners: [{name: a, address: \"127.0.0.1:0\", tls: none}]\n"
         "users: [{source: auth_http, " +
         source + "}]\npools: " + pools + "\n";
}

TEST(Load, auth_http_names_backends_and_so_needs_none_in_its_pool) {
  const Config config = good(with_auth_http(
      "{main: {}}",
      "url: \"http://a.example/x\", http: {more: [\"https://b.example:8443/y?k=1\"], timeout: 2s, "
      "hedge_after: 0ms, keep_alive: false, headers: [{name: X-Key, value: secret}]}"));
  const UserSource& source = config.users.front();
  EXPECT_EQ(source.kind, SourceKind::kAuthHttp);
  EXPECT_EQ(source.url->to_string(), "http://a.example:80/x");
  EXPECT_EQ(source.http.more.front().to_string(), "https://b.example:8443/y?k=1");
  EXPECT_EQ(source.http.timeout, 2s);
  EXPECT_EQ(source.http.hedge_after, 0ms);
  EXPECT_FALSE(source.http.keep_alive);
  EXPECT_EQ(source.http.headers.front().value.view(), "secret");
  EXPECT_TRUE(config.pools.front().backends.empty());
}

TEST(Load, a_pool_without_backends_is_for_auth_http_alone) {
  EXPECT_THAT(
      errors_of(with_auth_http("{main: {}, other: {}}",
                               "url: \"http://a.example/x\"}, {source: backend, pool: main")),
      ElementsAre("t.yaml:3: pools.main.backends: expected a list of at least one backend, "
                  "since users[1] sends users here; found none",
                  "t.yaml:3: pools.other.backends: expected a list of at least one backend, "
                  "found none"));
}

TEST(Load, auth_http_is_no_slower_than_its_source_may_be) {
  EXPECT_THAT(errors_of(with_auth_http("{main: {}}",
                                       "url: \"http://a/\", deadline: 1s, http: {timeout: 2s}")),
              ElementsAre("t.yaml:2: users[0].http.timeout: expected at most the source's "
                          "deadline (1000ms), found 2000ms"));
}

TEST(Load, auth_http_says_what_is_wrong_with_its_servers) {
  EXPECT_THAT(errors_of(with_auth_http("{main: {}}", "http: {timeout: 1h}")),
              ElementsAre("t.yaml:2: users[0].http.timeout: expected a duration with its unit "
                          "(ms, s, m or h) from 50ms to 10s, found '1h'",
                          "t.yaml:2: users[0].url: expected the URL of a server, found nothing"));
  EXPECT_THAT(
      errors_of(with_auth_http("{main: {}}",
                               "url: \"http://a/\", http: {more: [\"ftp://b\", \"http://a:80\"], "
                               "headers: [{name: Auth-User, value: geheim}]}")),
      ElementsAre(HasSubstr("users[0].http.more[0]: expected http://HOST:PORT/PATH"),
                  HasSubstr("users[0].http.headers[0].name: expected the name of a header"),
                  "t.yaml:2: users[0].http.more[1]: expected another URL, found 'http://a:80/' "
                  "again"));
}

std::string with_chain(const std::string& chain) {
  return "listeners: [{name: a, address: \"127.0.0.1:0\", tls: none}]\n"
         "users: [{source: backend, pool: old, backend: {" +
         chain +
         "}}]\n"
         "pools:\n"
         "  old: {backends: [{address: \"o:143\"}]}\n"
         "  new: {backends: [{address: \"n:143\"}]}\n"
         "  tokens: {login: token, backends: [{address: \"t:143\"}]}\n"
         "  mastered: {master: {user: m, password: p}, backends: [{address: \"m:143\"}]}\n";
}

TEST(Load, source_backend_may_ask_several_pools) {
  const Config config = good(with_chain("then: [new], remember: 48h, entries: 1000"));
  EXPECT_THAT(config.users[0].backend->then, ElementsAre("new"));
  EXPECT_EQ(config.users[0].backend->remember, 48h);
  EXPECT_EQ(config.users[0].backend->entries, 1000U);
}

TEST(Load, pools_that_are_asked_one_after_the_other_have_to_fit) {
  EXPECT_THAT(
      errors_of(with_chain("remember: 1h")),
      ElementsAre(HasSubstr("users[0].backend.then: expected a list of at least one pool")));
  EXPECT_THAT(
      errors_of(with_chain("then: []")),
      ElementsAre(HasSubstr("users[0].backend.then: expected a list of at least one pool")));
  EXPECT_THAT(
      errors_of(with_chain("then: [old, new, new, none, tokens, mastered]")),
      ElementsAre(
          HasSubstr("users[0].backend.then[0]: expected another pool, found 'old' again"),
          HasSubstr("users[0].backend.then[2]: expected another pool, found 'new' again"),
          HasSubstr("users[0].backend.then[3]: expected the name of a pool"),
          HasSubstr("users[0].backend.then[4]: expected a pool with login password, as pool old "
                    "has it, found 'tokens'"),
          HasSubstr("users[0].backend.then[5]: expected another pool: with source backend")));
  EXPECT_THAT(errors_of("listeners: [{name: a, address: \"127.0.0.1:0\", tls: none}]\n"
                        "users: [{source: passwd_file, path: p, pool: o, backend: {then: [n]}}]\n"
                        "pools: {o: {backends: [{address: \"o:143\"}]}, n: {backends: "
                        "[{address: \"n:143\"}]}}\n"),
              testing::Contains(HasSubstr("no backend, which is for source backend")));
}

TEST(Load, master_user_needs_a_source_that_checks_passwords) {
  const std::string pools =
      "listeners: [{name: a, address: \"127.0.0.1:0\", tls: none}]\n"
      "pools:\n"
      "  plain: {backends: [{address: \"b:143\"}]}\n"
      "  mastered: {master: {user: m, password: p}, backends: [{address: \"b:143\"}]}\n";
  const auto direct = errors_of(pools + "users: [{source: backend, pool: mastered}]\n");
  ASSERT_EQ(direct.size(), 1U);
  EXPECT_THAT(direct[0], HasSubstr("t.yaml:5: users[0].pool: "));
  EXPECT_THAT(direct[0],
              HasSubstr("a pool with a master user needs a source that checks passwords"));
  const auto routed = errors_of(pools +
                                "users: [{source: backend, pool: plain}]\n"
                                "routes: [{domain: d, pool: mastered}]\n");
  ASSERT_EQ(routed.size(), 1U);
  EXPECT_THAT(routed[0], HasSubstr("t.yaml:6: routes[0].pool: "));
  good(pools + "users: [{source: passwd_file, path: p, pool: mastered}]\n");
}

TEST(Load, secrets_are_never_echoed) {
  const std::string head =
      "listeners: [{name: a, address: \"127.0.0.1:0\", tls: none}]\n"
      "users: [{source: passwd_file, path: p, pool: main}]\n"
      "pools:\n"
      "  main:\n"
      "    backends: [{address: \"b:143\"}]\n"
      "    master: ";
  for (const std::string master :
       {"hunter2", "[hunter2]", "{user: m, password: [hunter2]}",
        "{user: m, password: \"hunter2\\n\"}", "{user: m, password: *hunter2}",
        "{user: m, password: hunter2: x}", "{user: m, password: @hunter2}",
        "{user: m, password: hunter2, password_file: x}", "{user: m, password: \"\\hunter2\"}",
        "{user: m, password: %hunter2", "hunter2: hunter2", "\"hunter2"}) {
    const auto errors = errors_of(head + master + "\n");
    EXPECT_FALSE(errors.empty()) << master;
    for (const std::string& error : errors) {
      if (master != "hunter2: hunter2") {
        EXPECT_THAT(error, Not(HasSubstr("hunter2"))) << master;
      }
    }
  }
  EXPECT_THAT(errors_of(head + "{user: m, password: {a: b}}\n"),
              ElementsAre("t.yaml:6: pools.main.master.password: expected a password of 1 to 1023 "
                          "bytes without line ends, found a section"));
}

TEST(Load, broken_yaml_is_an_error_with_its_line) {
  const auto unclosed = errors_of("listeners:\n  - {name: a\nusers: [\n");
  ASSERT_EQ(unclosed.size(), 1U);
  EXPECT_THAT(unclosed[0], HasSubstr("expected valid YAML, found an error near column"));
  EXPECT_THAT(
      errors_of("a: b\nc: d: e\n"),
      ElementsAre("t.yaml:2: expected valid YAML, found an error near column 5: illegal map "
                  "value"));
  EXPECT_THAT(errors_of(kShort + "---\n" + kShort),
              ElementsAre("t.yaml:4: expected one YAML document, found another one"));
}

TEST(Load, nesting_without_end_is_refused) {
  EXPECT_FALSE(errors_of(std::string(100'000, '[')).empty());
  EXPECT_FALSE(errors_of("pools: &p {main: *p}\n").empty());
}

TEST(Load, aliases_cannot_multiply_without_bound) {
  std::string text = "listeners: [{name: a, address: \"127.0.0.1:0\", tls: none}]\nbackends: &b [";
  for (int i = 0; i < 2000; ++i) {
    text += "{address: \"b:1\"},";
  }
  text += "]\npools:\n";
  for (int i = 0; i < 2000; ++i) {
    text += "  p" + std::to_string(i) + ": {backends: *b}\n";
  }
  const auto errors = errors_of(text);
  EXPECT_THAT(errors, testing::Contains(HasSubstr("expected a file of at most 200000 values")));
  EXPECT_LE(errors.size(), 1000U);
}

TEST(Load, durations_and_sizes_have_bounds_that_do_not_overflow) {
  for (const std::string value : {"1860", "31 m", "9223372036854775807h", "99999999999999999999s",
                                  "-1s", "1.5m", "25h", "0s", "10000ms", "", "s"}) {
    EXPECT_EQ(errors_of(kShort + "relay: {idle_timeout: '" + value + "'}\n").size(), 1U) << value;
  }
  for (const std::string value :
       {"1TiB", "18446744073709551615KiB", "-1", "4095", "1025KiB", "4 KiB"}) {
    EXPECT_EQ(errors_of(kShort + "relay: {buffer_size: '" + value + "'}\n").size(), 1U) << value;
  }
}

}  // namespace
}  // namespace headgate::config
