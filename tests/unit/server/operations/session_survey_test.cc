#include "server/operations/session_survey.h"

#include <gtest/gtest.h>

#include <chrono>

#include "metrics/labels.h"

namespace headgate::server {
namespace {

TEST(Pattern, stars_and_question_marks_stand_for_text) {
  for (const auto& [pattern, text] :
       {std::pair("*", ""), std::pair("*", "anybody"), std::pair("*@example.org", "A@Example.ORG"),
        std::pair("a*b*c", "aXbYbZc"), std::pair("user?", "user7"), std::pair("**", "x"),
        std::pair("alice", "Alice"), std::pair("a*", "a"), std::pair("*a*a", "aaaa")}) {
    EXPECT_TRUE(matches(pattern, text)) << pattern << " " << text;
  }
  for (const auto& [pattern, text] :
       {std::pair("", "a"), std::pair("?", ""), std::pair("a", "ab"), std::pair("*b", "abc"),
        std::pair("user?", "user"), std::pair("*@example.org", "a@example.net"),
        std::pair("a*b", "acd")}) {
    EXPECT_FALSE(matches(pattern, text)) << pattern << " " << text;
  }
}

TEST(Pattern, no_pattern_takes_long) {
  std::string pattern;
  for (int at = 0; at < 64; ++at) {
    pattern += "*a";
  }
  pattern += "b";
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_FALSE(matches(pattern, std::string(8192, 'a')));
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(1));
}

class Filter : public testing::Test {
 protected:
  [[nodiscard]] bool lets_through() const { return matches(filter_, glance_); }

  Endpoint client_ = Endpoint::parse("192.0.2.7:4711").value();
  HostPort backend_ = HostPort::parse("mail1:143").value();
  SessionGlance glance_{.id = 7,
                        .user = "Alice",
                        .client = client_,
                        .listener = "imaps",
                        .pool = "main",
                        .backend = &backend_,
                        .phase = metrics::Phase::kRelay,
                        .state = "open/open",
                        .tls = "TLSv1.3"};
  admin::SessionFilter filter_;
};

TEST_F(Filter, an_empty_one_lets_everything_through) {
  EXPECT_TRUE(lets_through());
}

TEST_F(Filter, all_that_it_says_must_hold) {
  filter_ = {.user = "alice",
             .pattern = "al*",
             .client = Network::parse("192.0.2.0/24").value(),
             .backend = backend_,
             .pool = "main",
             .listener = "imaps",
             .phase = "relay",
             .state = "open/open",
             .session = 7};
  EXPECT_TRUE(lets_through());
  const admin::SessionFilter good = filter_;
  const auto fails_with = [&](auto change) {
    filter_ = good;
    change(filter_);
    return !lets_through();
  };
  EXPECT_TRUE(fails_with([](auto& filter) { filter.user = "alic"; }));
  EXPECT_TRUE(fails_with([](auto& filter) { filter.pattern = "b*"; }));
  EXPECT_TRUE(
      fails_with([](auto& filter) { filter.client = Network::parse("192.0.3.0/24").value(); }));
  EXPECT_TRUE(fails_with([](auto& filter) { filter.backend->port = 144; }));
  EXPECT_TRUE(fails_with([](auto& filter) { filter.pool = "other"; }));
  EXPECT_TRUE(fails_with([](auto& filter) { filter.listener = "imap"; }));
  EXPECT_TRUE(fails_with([](auto& filter) { filter.phase = "connect"; }));
  EXPECT_TRUE(fails_with([](auto& filter) { filter.state = "open/eof"; }));
  EXPECT_TRUE(fails_with([](auto& filter) { filter.session = 8; }));
}

TEST_F(Filter, a_session_without_a_backend_is_at_none) {
  glance_.backend = nullptr;
  filter_.backend = backend_;
  EXPECT_FALSE(lets_through());
}

}  // namespace
}  // namespace headgate::server
