#include "migration/dovecot_sql_query.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace headgate::migration {
namespace {

using enum SqlDialect;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;

std::string renamed(std::string_view query, SqlDialect dialect = kSqlite) {
  const auto done = rename_dovecot_columns(query, dialect, 143);
  return done ? done->text : "(none)";
}

TEST(DovecotSqlQuery, NamesThatAreOursStay) {
  EXPECT_EQ(renamed("SELECT password FROM users"), "SELECT password FROM users");
  EXPECT_EQ(renamed("  select u.password from users u;"),
            "select u.password AS password from users u");
  EXPECT_EQ(renamed("SELECT DISTINCT password FROM users"), "SELECT DISTINCT password FROM users");
  EXPECT_EQ(renamed("SELECT password"), "SELECT password");
}

TEST(DovecotSqlQuery, AliasesHaveEveryFormThatSqlGivesThem) {
  for (const char* column : {"pw AS password", "pw as PASSWORD", "pw AS \"password\"",
                             "pw password", "pw AS `password`", "pw 'password'"}) {
    EXPECT_EQ(renamed(std::string("SELECT ") + column + " FROM u"), "SELECT pw AS password FROM u")
        << column;
  }
  EXPECT_EQ(renamed("SELECT CASE WHEN a THEN pw ELSE 'x, y' END password FROM u"),
            "SELECT CASE WHEN a THEN pw ELSE 'x, y' END AS password FROM u");
  EXPECT_EQ(renamed("SELECT (SELECT max(pw) FROM old AS password) AS password FROM u"),
            "SELECT (SELECT max(pw) FROM old AS password) AS password FROM u");
}

TEST(DovecotSqlQuery, HostAndPortAreOneColumn) {
  EXPECT_EQ(renamed("SELECT host FROM u"), "SELECT host || ':143' AS backend FROM u");
  EXPECT_EQ(renamed("SELECT h AS host, '1143' AS port FROM u", kMysql),
            "SELECT CONCAT(h, ':1143') AS backend FROM u");
  EXPECT_EQ(renamed("SELECT host, 'yes' AS ssl FROM u"), "SELECT host || ':993' AS backend FROM u");
  EXPECT_EQ(renamed("SELECT host, 'yes' AS ssl, 'yes' AS starttls FROM u"),
            "SELECT host || ':143' AS backend FROM u");
  EXPECT_EQ(renamed("SELECT host, p AS port FROM u", kPostgresql),
            "SELECT host || ':' || COALESCE(CAST(p AS text), '143') AS backend FROM u");
  EXPECT_EQ(renamed("SELECT host, p AS port FROM u", kMysql),
            "SELECT CONCAT(host, ':', COALESCE(p, '143')) AS backend FROM u");
  const auto one = rename_dovecot_columns("SELECT password, '10.0.0.1' AS host, 144 AS port FROM u",
                                          kSqlite, 143);
  ASSERT_TRUE(one);
  EXPECT_THAT(one->constants, ElementsAre(Pair("host", "10.0.0.1"), Pair("port", "144")));
}

TEST(DovecotSqlQuery, OfSeveralNamesTheBackendsCounts) {
  EXPECT_EQ(renamed("SELECT user FROM u", kMysql), "SELECT user FROM u");
  EXPECT_EQ(renamed("SELECT name AS user FROM u"), "SELECT name AS \"user\" FROM u");
  EXPECT_EQ(renamed("SELECT a AS user, b AS destuser FROM u"), "SELECT b AS \"user\" FROM u");
  EXPECT_EQ(renamed("SELECT username, domain FROM u"),
            "SELECT username || '@' || domain AS \"user\" FROM u");
  EXPECT_EQ(renamed("SELECT username, domain FROM u", kMysql),
            "SELECT CONCAT(username, '@', domain) AS user FROM u");
  const auto both = rename_dovecot_columns(
      "SELECT a AS user, username, domain, b AS destuser FROM u", kSqlite, 1);
  ASSERT_TRUE(both);
  EXPECT_THAT(both->left_out, ElementsAre("user", "username", "domain"));
}

TEST(DovecotSqlQuery, WhatIsTheSameForAllIsAField) {
  const auto done = rename_dovecot_columns(
      "SELECT password, 'y' AS proxy, 'any-cert' AS ssl, 30 AS proxy_timeout, tag AS director_tag, "
      "mailpass AS pass, '/home' AS userdb_home, NULL AS master, now() FROM u",
      kSqlite, 143);
  ASSERT_TRUE(done);
  EXPECT_EQ(done->text, "SELECT password, tag AS pool FROM u");
  EXPECT_THAT(done->constants, ElementsAre(Pair("proxy", "y"), Pair("ssl", "any-cert"),
                                           Pair("proxy_timeout", "30")));
  EXPECT_THAT(done->left_out, ElementsAre("pass", "userdb_home", "?"));
}

TEST(DovecotSqlQuery, NopasswordIsForTheBackendToCheck) {
  const auto open =
      rename_dovecot_columns("SELECT pw AS password, 'Y' AS nopassword, host FROM u", kSqlite, 143);
  ASSERT_TRUE(open);
  EXPECT_TRUE(open->backend_checks);
  EXPECT_EQ(open->text, "SELECT host || ':143' AS backend FROM u");
  const auto some =
      rename_dovecot_columns("SELECT password, free AS nopassword FROM u", kSqlite, 143);
  ASSERT_TRUE(some);
  EXPECT_FALSE(some->backend_checks) << "who has a password in the table needs it";
  EXPECT_THAT(some->left_out, ElementsAre("nopassword"));
  const auto none =
      rename_dovecot_columns("SELECT password, NULL AS nopassword FROM u", kSqlite, 143);
  ASSERT_TRUE(none);
  EXPECT_FALSE(none->backend_checks);
  EXPECT_THAT(none->left_out, IsEmpty());
}

TEST(DovecotSqlQuery, WhatIsNotOneSelectWithNamesIsNotTouched) {
  for (const char* query :
       {"", "SELECT", "SELECT * FROM u", "SELECT u.*, host FROM u", "CALL login(:user)",
        "SELECT password FROM a UNION SELECT password FROM b", "SELECT password FROM u; DROP u",
        "WITH x AS (SELECT 1) SELECT password FROM x", "SELECT password -- x\nFROM u",
        "SELECT 'password FROM u", "SELECT (password FROM u", "SELECT password, FROM u",
        "SELECT , FROM u", "SELECT now() FROM u", "SELECT password /* x */ FROM u"}) {
    EXPECT_EQ(renamed(query), "(none)") << query;
  }
}

}  // namespace
}  // namespace headgate::migration
