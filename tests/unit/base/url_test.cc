#include "base/url.h"

#include <gtest/gtest.h>

namespace headgate {
namespace {

TEST(Url, HasASchemeAHostAPortAndATarget) {
  const auto url = Url::parse("https://auth.example.org:8443/mail/auth?key=1");
  ASSERT_TRUE(url);
  EXPECT_EQ(*url, (Url{true, {"auth.example.org", 8443}, "/mail/auth?key=1"}));
  EXPECT_EQ(url->to_string(), "https://auth.example.org:8443/mail/auth?key=1");
}

TEST(Url, WhatIsLeftOutIsThatOfTheScheme) {
  EXPECT_EQ(Url::parse("http://127.0.0.1")->to_string(), "http://127.0.0.1:80/");
  EXPECT_EQ(Url::parse("https://[::1]/x")->to_string(), "https://[::1]:443/x");
  EXPECT_EQ(Url::parse("http://a.example?x")->to_string(), "http://a.example:80/?x");
}

TEST(Url, MayNameAUnixSocketAsNginxDoes) {
  const auto url = Url::parse("http://unix:/run/auth.socket:/mail/auth?x");
  ASSERT_TRUE(url);
  EXPECT_EQ(*url, (Url{false, {"localhost", 80}, "/mail/auth?x", "/run/auth.socket"}));
  EXPECT_EQ(url->to_string(), "http://unix:/run/auth.socket:/mail/auth?x");
  EXPECT_EQ(Url::parse("http://unix:/run/a")->to_string(), "http://unix:/run/a:/");
  for (const char* text : {"http://unix:", "http://unix:run/a:/", "http://unix:/run/a:x",
                           "http://unix:/run/a b:/", "https://unix:/run/a:/"}) {
    EXPECT_FALSE(Url::parse(text)) << text;
  }
}

TEST(Url, AnythingElseIsRefused) {
  for (const char* text :
       {"", "http://", "http:///x", "127.0.0.1:80/x", "ftp://a/", "http://a:0/", "http://a:70000/",
        "http://user:word@a/", "http://a/b c", "http://a/\n", "http://a/#b", "http://::1/",
        "http://a b/", "HTTP://a/", "http://a/\xc3\xa4"}) {
    EXPECT_FALSE(Url::parse(text)) << text;
  }
}

}  // namespace
}  // namespace headgate
