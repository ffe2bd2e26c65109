#include "sources/ldap_filter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace headgate::sources {
namespace {

using testing::HasSubstr;

std::string fill(const char* filter, std::string_view user) {
  return LdapFilter::parse(filter).value().fill(user);
}

TEST(LdapFilter, PlaceholdersStandForPartsOfTheName) {
  EXPECT_EQ(fill("(|(mail={user})(uid={local_part})(dc={domain}))", "a@b@example.org"),
            "(|(mail=a@b@example.org)(uid=a@b)(dc=example.org))");
  EXPECT_EQ(fill("(&(uid={local_part})(dc={domain}))", "alice"), "(&(uid=alice)(dc=))");
}

TEST(LdapFilter, NoNameChangesWhatIsSearchedFor) {
  EXPECT_EQ(fill("(uid={user})", "*"), "(uid=\\2a)");
  EXPECT_EQ(fill("(uid={user})", "x)(|(uid=*"), "(uid=x\\29\\28|\\28uid=\\2a)");
  EXPECT_EQ(fill("(uid={user})", "\\2a{user}"), "(uid=\\5c2a{user})");
  // RFC 4515 section 4: "(cn=Lu\c4\8di\c4\87)", and a NUL.
  EXPECT_EQ(escape_ldap_value("Lu\xc4\x8di\xc4\x87"), "Lu\\c4\\8di\\c4\\87");
  EXPECT_EQ(escape_ldap_value(std::string_view("\0\x7f", 2)), "\\00\\7f");
}

TEST(LdapFilter, WhatIsNoFilterForAUserIsRefused) {
  const auto error = [](const char* filter) { return LdapFilter::parse(filter).error(); };
  EXPECT_THAT(error("(uid=x)"), HasSubstr("expected {user} or {local_part}"));
  EXPECT_THAT(error("(dc={domain})"), HasSubstr("expected {user} or {local_part}"));
  EXPECT_THAT(error("(uid={user"), HasSubstr("found '{user'"));
  EXPECT_THAT(error("(uid={})"), HasSubstr("found '{}'"));
  for (const char* filter : {"uid={user}", "(uid={user}", "(uid={user})(x=y)", "uid={user})("}) {
    EXPECT_THAT(error(filter), HasSubstr("parentheses")) << filter;
  }
}

}  // namespace
}  // namespace headgate::sources
