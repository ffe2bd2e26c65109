#include "sources/sql_query.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace headgate::sources {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::vector<std::string> values(const char* query, std::string_view user) {
  std::vector<std::string> pairs;
  for (const auto& [name, value] :
       SqlQuery::parse(query).value().values(user, "192.0.2.1", "imaps")) {
    pairs.push_back(name + "=" + value);
  }
  return pairs;
}

TEST(SqlQuery, EachPlaceholderHasItsValueOnce) {
  EXPECT_THAT(values(":user :user", "alice@example.org"), ElementsAre("user=alice@example.org"));
  EXPECT_THAT(values("a=:local_part,b=:domain", "a@b@example.org"),
              ElementsAre("local_part=a@b", "domain=example.org"));
  EXPECT_THAT(values(":local_part:domain:ip(:listener)", "alice"),
              ElementsAre("local_part=alice", "domain=", "ip=192.0.2.1", "listener=imaps"));
}

TEST(SqlQuery, QuotesCastsAndAssignmentsAreNoPlaceholders) {
  EXPECT_THAT(values("SELECT ':x', 'it''s :y', 1::text, @a:=1 WHERE n = :user::text", "a"),
              ElementsAre("user=a"));
}

TEST(SqlQuery, WhatIsNoQueryForAUserIsRefused) {
  const auto error = [](const char* query) { return SqlQuery::parse(query).error(); };
  EXPECT_THAT(error("SELECT 1"), HasSubstr("expected :user or :local_part"));
  EXPECT_THAT(error("SELECT :domain"), HasSubstr("expected :user or :local_part"));
  EXPECT_THAT(error(":user :password"), HasSubstr("found ':password'"));
  EXPECT_THAT(error(":user :"), HasSubstr("found ':'"));
  EXPECT_THAT(error("':user"), HasSubstr("quotes"));
}

}  // namespace
}  // namespace headgate::sources
