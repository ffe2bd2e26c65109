#include "migration/perdition_import.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <regex>

#include "config/config.h"
#include "config/pattern.h"

namespace headgate::migration {
namespace {

using namespace std::chrono_literals;
using testing::Contains;
using testing::Each;
using testing::HasSubstr;
using testing::Not;

class PerditionImport : public testing::Test {
 protected:
  config::Config import(const std::string& text) {
    auto imported = import_perdition(text, "/etc/perdition", [this](const std::string& path) {
      const auto known = files_.find(path);
      return known != files_.end() ? std::optional(known->second) : std::nullopt;
    });
    if (!imported) {
      ADD_FAILURE() << imported.error();
      return {};
    }
    notes_ = imported->notes;
    auto config = config::load_text("imported.yaml", imported->yaml, config::Files::kIgnore);
    if (!config) {
      ADD_FAILURE() << config.error().front().to_string() << "\n" << imported->yaml;
      return {};
    }
    return *std::move(config);
  }
  // What the groups of the first rule with a pattern take from a name; "no match" without a match.
  static std::string groups(const config::MapRule& rule, const std::string& name) {
    const std::regex regex = config::compile_pattern(rule.pattern, config::Groups::kKeep).value();
    std::smatch match;
    if (!std::regex_match(name, match, regex)) {
      return "no match";
    }
    std::string out;
    for (std::size_t i = 1; i < match.size(); ++i) {
      out += match.str(i) + "|";
    }
    return out;
  }

  std::map<std::string, std::string> files_;
  std::vector<std::string> notes_;
};

TEST_F(PerditionImport, APureProxyHasItsServersInOnePool) {
  const config::Config config = import(R"(
protocol IMAP4
bind_address 192.0.2.1,192.0.2.2:1143,mail.example.org
listen_port imap2
outgoing_server mail1,mail2.example.org:1143
map_library ""
connection_limit 500
timeout 0
authenticate_timeout 90
username nobody
server_resp_line
whatever 1
)");
  ASSERT_EQ(config.listeners.size(), 2U);
  EXPECT_EQ(config.listeners[0].address.to_string(), "192.0.2.1:143");
  EXPECT_EQ(config.listeners[1].address.to_string(), "192.0.2.2:1143");
  EXPECT_EQ(config.listeners[0].tls, config::TlsMode::kNone);
  ASSERT_EQ(config.pools[0].backends.size(), 2U);
  EXPECT_EQ(config.pools[0].backends[0].address.to_string(), "mail1:143");
  EXPECT_EQ(config.pools[0].backends[1].address.to_string(), "mail2.example.org:1143");
  EXPECT_EQ(config.pools[0].max_sessions, 500U);
  EXPECT_EQ(config.users[0].kind, config::SourceKind::kBackend);
  EXPECT_EQ(config.relay.idle_timeout, 24h);
  EXPECT_EQ(config.login.timeout, 90s);
  EXPECT_THAT(notes_, Contains("line 3: bind_address: mail.example.org is left out: expected an "
                               "address"));
  EXPECT_THAT(notes_, Contains(HasSubstr("line 5: outgoing_server: not in turn")));
  EXPECT_THAT(notes_, Contains("line 11: server_resp_line: always so"));
  EXPECT_THAT(notes_, Contains("line 12: whatever: unknown, left out"));
  EXPECT_THAT(notes_, Contains(HasSubstr("options on Perdition's command line")));
}

TEST_F(PerditionImport, TlsModesHoldForEachSide) {
  const config::Config listening = import(
      "P IMAP4S\nssl_mode ssl_listen\ns mail1\np 143\nM ''\nssl_cert_file /c.pem\nssl_key_file "
      "k.pem\nssl_listen_min_proto_version tlsv1\n");
  EXPECT_EQ(listening.listeners[0].address.to_string(), "0.0.0.0:993");
  EXPECT_EQ(listening.listeners[0].tls, config::TlsMode::kImplicit);
  EXPECT_EQ(listening.pools[0].tls, config::TlsMode::kNone);
  EXPECT_EQ(listening.tls.certificates[0].certificate, "/c.pem");
  EXPECT_EQ(listening.tls.certificates[0].key, "/etc/perdition/k.pem");
  EXPECT_THAT(notes_, Contains(HasSubstr("line 8: ssl_listen_min_proto_version: versions before")));
  const config::Config all =
      import("ssl_mode tls_all_force\ns mail1\nM ''\nssl_no_cert_verify\nssl_ca_file /ca.pem\n");
  EXPECT_EQ(all.listeners[0].tls, config::TlsMode::kStartTls);
  EXPECT_EQ(all.pools[0].tls, config::TlsMode::kStartTls);
  EXPECT_FALSE(all.pools[0].verify);
  EXPECT_EQ(all.pools[0].ca, "/ca.pem");
  EXPECT_THAT(notes_, Contains(HasSubstr("certificates of backends are not verified at all")));
}

TEST_F(PerditionImport, APopmapBecomesRulesThatNameBackends) {
  files_["/etc/perdition/popmap"] =
      "horms:foo.bar:1143\njain:jane@foo.bar\nkim@example.org:10.0.0.7\njain:again\nbad:a b:c\n";
  const config::Config config = import(
      "map_library_opt /etc/perdition/popmap.gdbm.db\nusername_from_database\n"
      "outgoing_server old\n");
  ASSERT_EQ(config.users.size(), 2U);
  const auto& rules = config.users[0].map;
  ASSERT_EQ(rules.size(), 3U);
  EXPECT_EQ(rules[0].user, "horms");
  EXPECT_EQ(rules[0].backend->to_string(), "foo.bar:1143");
  EXPECT_EQ(rules[1].rewrite, "jane");
  EXPECT_EQ(rules[2].backend->to_string(), "10.0.0.7:143");
  EXPECT_EQ(config.users[0].pool, "popmap");
  EXPECT_EQ(config.users[1].kind, config::SourceKind::kBackend);
  EXPECT_EQ(config.users[1].pool, "main");
  EXPECT_EQ(config.pools[0].backends[0].address.to_string(), "old:143");
  EXPECT_EQ(config.pools[1].backends.size(), 3U);
  EXPECT_THAT(notes_, Contains(HasSubstr("popmap:4: left out: this key stands above already")));
}

TEST_F(PerditionImport, WithoutTheOptionTheUserInAPopmapIsNotTheName) {
  files_["/etc/perdition/popmap"] = "jain:jane@foo.bar\n";
  const config::Config config = import("listen_port 143\n");
  EXPECT_EQ(config.users[0].map[0].rewrite, "");
  EXPECT_EQ(config.users[0].map[0].backend->to_string(), "foo.bar:143");
  EXPECT_EQ(config.users[0].pool, "main");
  EXPECT_EQ(config.users.size(), 1U) << "whom the popmap does not know has no server";
}

TEST_F(PerditionImport, DomainsAreStrippedForLookupAndLogin) {
  files_["/etc/perdition/popmap"] = "a.b:foo.bar\n";
  const config::Config config = import("strip_domain all\noutgoing_server old\n");
  EXPECT_EQ(groups(config.users[0].map[0], "a.b@example.org"), "@example.org|");
  EXPECT_EQ(groups(config.users[0].map[0], "a.b"), "|");
  EXPECT_EQ(groups(config.users[0].map[0], "aXb"), "no match");
  EXPECT_EQ(config.users[0].map[0].rewrite, "{local_part}");
  EXPECT_EQ(config.users[1].map[0].rewrite, "{local_part}");
}

TEST_F(PerditionImport, RegularExpressionsMatchAsBefore) {
  files_["/etc/perdition/popmap.re"] =
      "# comment\n^[a-k]: localhost\n^user$ user2@localhost:1143\n(.*)@(.*): $1_$2@localhost\n"
      "a|b: other\n(.*): $1.example.org\n(: x\n";
  const config::Config config = import("M /usr/lib/libperditiondb_posix_regex.so.0\nU\n");
  const auto& rules = config.users[0].map;
  ASSERT_EQ(rules.size(), 4U);
  EXPECT_EQ(groups(rules[0], "bob"), "");
  EXPECT_EQ(groups(rules[0], "zoe"), "no match");
  EXPECT_EQ(rules[0].backend->to_string(), "localhost:143");
  EXPECT_EQ(groups(rules[1], "user"), "");
  EXPECT_EQ(groups(rules[1], "users"), "no match");
  EXPECT_EQ(rules[1].rewrite, "user2");
  EXPECT_EQ(groups(rules[2], "user@x.y.de"), "user|x.y.de|");
  EXPECT_EQ(rules[2].rewrite, "{1}_{2}");
  EXPECT_EQ(groups(rules[3], "xbx"), "");
  EXPECT_EQ(groups(rules[3], "xyz"), "no match");
  EXPECT_THAT(notes_, Contains(HasSubstr("popmap.re:6: left out: the server depends on")));
  EXPECT_THAT(notes_, Contains(HasSubstr("popmap.re:7: left out: expected a regular expression")));
}

TEST_F(PerditionImport, APopmapThatCannotBeReadIsNamed) {
  const config::Config config = import("m /srv/users.cdb\n");
  EXPECT_THAT(notes_, Contains(HasSubstr("line 1: popmap: /srv/users cannot be read")));
  EXPECT_THAT(notes_, Contains(HasSubstr("put the addresses of your mail servers in the place")));
  EXPECT_EQ(config.users[0].kind, config::SourceKind::kBackend);
  files_["/srv/users"] = "broken\n";
  import("m /srv/users.cdb\n");
  EXPECT_THAT(notes_, Contains(HasSubstr("popmap: /srv/users:1: expected KEY:SERVER")));
}

TEST_F(PerditionImport, VeryManyRulesGoIntoAFileOfTheirOwn) {
  std::string& popmap = files_["/etc/perdition/popmap"];
  for (int i = 0; i <= 10'000; ++i) {
    popmap += "user" + std::to_string(i) + ":mail" + std::to_string(i % 3) + "\n";
  }
  const config::Config config = import("listen_port 143\n");
  EXPECT_EQ(config.users[0].map_file.path, "users.map");
  EXPECT_TRUE(config.users[0].map.empty());
  EXPECT_EQ(config.pools[0].backends.size(), 3U);
  EXPECT_THAT(notes_, Contains(HasSubstr("popmap: 10001 rules are too many for this file")));
}

TEST_F(PerditionImport, SqlAndLdapPopmapsBecomeSources) {
  const config::Config mysql =
      import("M /usr/lib/libperditiondb_mysql.so.0\nm db:3306:mail:map:me:hush:srv:usr:prt\n");
  ASSERT_TRUE(mysql.users[0].sql);
  EXPECT_EQ(mysql.users[0].sql->driver, config::SqlDriver::kMysql);
  EXPECT_EQ(mysql.users[0].sql->host, "db");
  EXPECT_EQ(mysql.users[0].sql->port, 3306U);
  EXPECT_EQ(mysql.users[0].sql->password.view(), "hush");
  EXPECT_FALSE(mysql.users[0].sql->check_password);
  EXPECT_EQ(mysql.users[0].sql->query,
            "SELECT CONCAT(`srv`, ':', COALESCE(`prt`, '143')) AS backend FROM map WHERE `usr` = "
            ":user");
  EXPECT_THAT(notes_, Each(Not(HasSubstr("hush"))));
  const config::Config ldap = import(
      "M /usr/lib/libperditiondb_ldap.so.0\nU\n"
      "m \"3:ldap://h1 h2/ou=mailbox,dc=x?username,mailhost,port?sub?(uid=%s)\"\n");
  ASSERT_TRUE(ldap.users[0].ldap);
  EXPECT_EQ(ldap.users[0].ldap->servers.size(), 2U);
  EXPECT_EQ(ldap.users[0].ldap->base, "ou=mailbox,dc=x");
  EXPECT_EQ(ldap.users[0].ldap->filter, "(uid={user})");
  EXPECT_EQ(ldap.users[0].ldap->backend_attribute, "mailhost");
  EXPECT_EQ(ldap.users[0].ldap->user_attribute, "username");
}

TEST_F(PerditionImport, WhatIsNotImapIsAnErrorWithItsLine) {
  const auto none = [](const std::string&) { return std::optional<std::string>(); };
  EXPECT_EQ(import_perdition("\nprotocol POP3\n", "/", none).error(),
            "2: expected protocol IMAP4 or IMAP4S, which Headgate speaks");
  EXPECT_EQ(import_perdition("b nowhere\n", "/", none).error(),
            "1: expected an address to listen on in bind_address");
  EXPECT_EQ(import_perdition("b \"\n", "/", none).error(), "1: expected the end of a quoted word");
}

}  // namespace
}  // namespace headgate::migration
