#include "config/difference.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

namespace headgate::config {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

constexpr std::string_view kFile = R"(listeners:
  - {name: imaps, address: "0.0.0.0:993", tls: implicit}
  - {name: imap, address: "0.0.0.0:143", tls: starttls}
tls:
  certificates:
    - {certificate: fullchain.pem, key: privkey.pem}
pools:
  main:
    backends:
      - {address: "127.0.1.1:10143"}
      - {address: "127.0.1.2:10143", weight: 200}
      - {address: "127.0.1.3:10143"}
  archive:
    master: {user: headgate, password: first-secret}
    backends:
      - {address: "127.0.2.1:10143"}
users:
  - {source: passwd_file, name: staff, path: staff.passwd, pool: archive}
  - {source: sql, name: customers, pool: main, sql: {driver: postgresql, host: db, database: mail, password: second-secret, query: "SELECT 1"}}
routes:
  - {domain: example.org, pool: main}
)";

Config load(const std::string& text) {
  auto loaded = load_text("/etc/headgate.yaml", text, Files::kIgnore);
  if (!loaded) {
    ADD_FAILURE() << loaded.error().front().to_string();
    return {};
  }
  return *std::move(loaded);
}

// The file with `old` replaced by `fresh`.
std::string edited(std::string_view old, std::string_view fresh) {
  std::string text(kFile);
  const std::size_t at = text.find(old);
  EXPECT_NE(at, std::string::npos) << old;
  return text.replace(at, old.size(), fresh);
}

std::vector<std::string> changes(const std::string& after) {
  std::vector<std::string> lines;
  for (const Change& change : difference(load(std::string(kFile)), load(after))) {
    lines.push_back(change.to_string());
  }
  return lines;
}

TEST(Difference, OfTheSameIsNothing) {
  EXPECT_THAT(changes(std::string(kFile)), IsEmpty());
  EXPECT_THAT(changes(std::string(kFile) + "# a comment\nrelay: {stall_timeout: 5m}\n"), IsEmpty())
      << "a default that is written down is no change";
}

TEST(Difference, OfAKeyIsItsOldAndItsNewValue) {
  EXPECT_THAT(changes(edited("weight: 200", "weight: 50")),
              ElementsAre("pools.main.backends[127.0.1.2:10143].weight: 200 -> 50"));
  EXPECT_THAT(changes(edited("  main:\n", "  main:\n    policy: first\n")),
              ElementsAre("pools.main.policy: user_hash -> first"));
  EXPECT_THAT(changes(std::string(kFile) + "limits: {exempt: [10.0.0.0/8], ipv4_prefix: 24}\n"),
              ElementsAre("limits.ipv4_prefix: 32 -> 24", "limits.exempt: [] -> [\"10.0.0.0/8\"]"));
  EXPECT_THAT(changes(std::string(kFile) + "admin: {address: \"127.0.0.1:9143\"}\n"),
              ElementsAre("admin.address: (not set) -> \"127.0.0.1:9143\""));
}

TEST(Difference, KnowsEntriesByNameOrAddressAndNotByPlace) {
  EXPECT_THAT(changes(edited("      - {address: \"127.0.1.1:10143\"}\n", "")),
              ElementsAre("pools.main.backends[127.0.1.1:10143]: removed"));
  EXPECT_THAT(changes(edited("  - {name: imaps,",
                             "  - {name: lan, address: \"10.0.0.1:143\", tls: none, backlog: 9}\n"
                             "  - {name: imaps,")),
              ElementsAre("listeners[lan]: added", "listeners[lan].name: lan",
                          "listeners[lan].address: \"10.0.0.1:143\"", "listeners[lan].tls: none",
                          "listeners[lan].backlog: 9"));
  EXPECT_THAT(changes(edited("  archive:\n",
                             "  spare: {backends: [{address: \"127.0.3.1:143\"}]}\n  archive:\n")),
              ElementsAre("pools.spare: added",
                          "pools.spare.backends[127.0.3.1:143].address: "
                          "\"127.0.3.1:143\""));
}

TEST(Difference, SaysThatTheOrderIsAnotherOne) {
  const std::string first = "      - {address: \"127.0.1.1:10143\"}\n";
  std::string text = edited(first, "");
  text.insert(text.find("  archive:"), first);
  EXPECT_THAT(changes(text), ElementsAre("pools.main.backends: in another order"));
}

TEST(Difference, NeverShowsASecret) {
  const std::vector<std::string> master = changes(edited("first-secret", "other-secret"));
  EXPECT_THAT(master, ElementsAre("pools.archive.master.password: changed, not shown"));
  const std::vector<std::string> sql = changes(edited("second-secret", "other-secret"));
  EXPECT_THAT(sql, ElementsAre("users[customers].sql.password: changed, not shown"));
  const std::string all = to_string(difference(Config(), load(std::string(kFile))));
  EXPECT_THAT(all, Not(HasSubstr("secret")));
  EXPECT_THAT(all, HasSubstr("users[customers].sql.password: set, not shown\n"));
  EXPECT_THAT(all, HasSubstr("pools.main.backends[127.0.1.2:10143].weight: 200\n"));
}

TEST(Difference, TellsWhetherAUserSourceIsTheSame) {
  const Config before = load(std::string(kFile));
  const Config secret = load(edited("second-secret", "other-secret"));
  const Config query = load(edited("SELECT 1", "SELECT 2"));
  EXPECT_TRUE(same(before.users[1], load(std::string(kFile)).users[1]));
  EXPECT_TRUE(same(before.users[0], secret.users[0]));
  EXPECT_FALSE(same(before.users[1], secret.users[1]));
  EXPECT_FALSE(same(before.users[1], query.users[1]));
  EXPECT_FALSE(same(before.users[0], before.users[1]));
}

}  // namespace
}  // namespace headgate::config
