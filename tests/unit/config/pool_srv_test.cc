#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <vector>

#include "config/config.h"

namespace headgate::config {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::string with_pool(const std::string& keys) {
  return "listeners: [{name: a, address: \"127.0.0.1:0\", tls: none}]\n"
         "pools: {main: {" +
         keys +
         "}}\n"
         "users: [{source: backend, pool: main}]\n";
}

std::vector<std::string> errors_of(const std::string& keys) {
  std::vector<std::string> lines;
  if (const auto loaded = load_text("t.yaml", with_pool(keys), Files::kIgnore); !loaded) {
    for (const Error& error : loaded.error()) {
      lines.push_back(error.key + ": " + error.expected);
    }
  }
  return lines;
}

TEST(PoolSrv, EveryKeyReachesItsMember) {
  const auto config =
      load_text("t.yaml",
                with_pool("srv: {name: _IMAPS._tcp.Example.org., within: example.org, servers: "
                          "[\"127.0.0.1:8600\"], refresh: 1m, refresh_least: 2s, most_backends: 7, "
                          "max_sessions: 9}"),
                Files::kIgnore);
  ASSERT_TRUE(config.has_value()) << config.error().front().to_string();
  const Srv& srv = config->pools.at(0).srv.value();
  EXPECT_EQ(srv.name, "_imaps._tcp.example.org");
  EXPECT_EQ(srv.within, "example.org");
  ASSERT_EQ(srv.servers.size(), 1U);
  EXPECT_EQ(srv.servers[0].to_string(), "127.0.0.1:8600");
  EXPECT_EQ(srv.refresh, 1min);
  EXPECT_EQ(srv.refresh_least, 2s);
  EXPECT_EQ(srv.most_backends, 7U);
  EXPECT_EQ(srv.max_sessions, 9U);
}

TEST(PoolSrv, TakesThePlaceOfAListOfBackends) {
  EXPECT_THAT(errors_of("srv: {name: _imap._tcp.example.org}"), IsEmpty());
  EXPECT_THAT(errors_of("srv: {name: _imap._tcp.example.org}, backends: [{address: \"b:143\"}]"),
              ElementsAre("pools.main.srv: either srv or backends"));
}

TEST(PoolSrv, PinsMayNameBackendsThatDnsWillBring) {
  EXPECT_THAT(errors_of("srv: {name: _imap._tcp.example.org}, "
                        "pins: [{user: alice, backend: \"mail1.example.org:143\"}]"),
              IsEmpty());
}

TEST(PoolSrv, BadValuesHaveClearErrors) {
  EXPECT_THAT(errors_of("srv: {}"), ElementsAre(HasSubstr("pools.main.srv.name: ")));
  for (const std::string name : {"imap.example.org", "_imap", "\"_imap._tcp.exa mple\"", "\"\"",
                                 "_imap..example.org", "[]"}) {
    EXPECT_THAT(errors_of("srv: {name: " + name + "}"),
                ElementsAre(HasSubstr("pools.main.srv.name: the name of a service, for example "
                                      "_imaps._tcp.example.org, found ")))
        << name;
  }
  EXPECT_THAT(errors_of("srv: {name: _imap._tcp.a, most_backends: 0, refresh: 0s}"),
              ElementsAre(HasSubstr("most_backends: a whole number from 1 to 4096"),
                          HasSubstr("refresh: a duration")));
  EXPECT_THAT(errors_of("srv: {name: _imap._tcp.a, refresh: 2s}"),
              ElementsAre("pools.main.srv.refresh: refresh (2s) not below refresh_least (5s)"));
}

TEST(PoolSrv, ServersAreAFewOfIpv4) {
  EXPECT_THAT(
      errors_of("srv: {name: _imap._tcp.a, servers: [\"[::1]:53\", \"127.0.0.1:0\"]}"),
      ElementsAre(HasSubstr("servers[0]: an IPv4 address with a port from 1 to 65535, found "),
                  HasSubstr("servers[1]: an IPv4 address with a port from 1 to 65535, found ")));
  EXPECT_THAT(errors_of("srv: {name: _imap._tcp.a, servers: [\"127.0.0.1:53\", \"127.0.0.2:53\", "
                        "\"127.0.0.3:53\", \"127.0.0.4:53\"]}"),
              ElementsAre("pools.main.srv.servers: at most 3 DNS servers, found 4"));
}

}  // namespace
}  // namespace headgate::config
