#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <string>

#include "texts.h"

namespace headgate::config {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// With a source oauth whose section has these keys.
std::string with_oauth(const std::string& keys, const std::string& more = "",
                       const std::string& login = "login: token") {
  return "listeners: [{name: a, address: \"127.0.0.1:0\", tls: none}]\n"
         "users: [{source: oauth, pool: main, oauth: {" +
         keys + "}" + more + "}]\npools: {main: {" + login +
         ", backends: [{address: \"b:143\"}]}}\n";
}

TEST(Oauth, checks_tokens_by_keys_by_asking_or_by_both) {
  const Config config = good(with_oauth(
      "issuer: [\"https://i\"], audience: [imap, mail], scopes: [x], keys_url: \"https://i/jwks\", "
      "keys_ttl: 10m, introspection: {url: \"http://127.0.0.1:1/i\", client_id: h, "
      "client_secret: s}, user_claim: sub, match_user: false, leeway: 1m, timeout: 1s"));
  const Oauth& oauth = *config.users.front().oauth;
  EXPECT_EQ(config.users.front().kind, SourceKind::kOauth);
  EXPECT_THAT(oauth.issuer, ElementsAre("https://i"));
  EXPECT_THAT(oauth.audience, ElementsAre("imap", "mail"));
  EXPECT_THAT(oauth.scopes, ElementsAre("x"));
  EXPECT_EQ(oauth.keys_url->to_string(), "https://i:443/jwks");
  EXPECT_EQ(oauth.keys_ttl, 10min);
  EXPECT_EQ(oauth.introspection->url->to_string(), "http://127.0.0.1:1/i");
  EXPECT_EQ(oauth.introspection->client_id, "h");
  EXPECT_EQ(oauth.introspection->client_secret.view(), "s");
  EXPECT_EQ(oauth.user_claim, "sub");
  EXPECT_FALSE(oauth.match_user);
  EXPECT_EQ(oauth.leeway, 1min);
  EXPECT_EQ(oauth.timeout, 1s);
}

TEST(Oauth, is_not_configured_so_that_a_token_for_another_service_lets_in) {
  EXPECT_THAT(errors_of(with_oauth("user_claim: sub")),
              ElementsAre(HasSubstr("users[0].oauth: expected keys, keys_url or introspection")));
  EXPECT_THAT(errors_of(with_oauth("keys_url: \"https://i/\"")),
              ElementsAre(HasSubstr("users[0].oauth.issuer: expected at least one issuer"),
                          HasSubstr("users[0].oauth.audience: expected at least one audience")));
  EXPECT_THAT(
      errors_of(with_oauth("introspection: {url: \"http://10.0.0.1/i\"}")),
      ElementsAre(HasSubstr("users[0].oauth.introspection.url: expected https, or http to a "
                            "loopback address, found 'http://10.0.0.1:80/i'")));
  EXPECT_THAT(errors_of(with_oauth("issuer: [i], audience: [a], keys: f, keys_url: \"http://i/\"")),
              ElementsAre(HasSubstr("users[0].oauth.keys_url: expected either keys or keys_url")));
}

TEST(Oauth, says_what_does_not_go_together) {
  EXPECT_THAT(errors_of(with_oauth("introspection: {url: \"https://i/\", client_id: a}, "
                                   "keys_ttl: 1m, timeout: 2s",
                                   ", deadline: 1s, cache: {}")),
              testing::UnorderedElementsAre(
                  HasSubstr("users[0].oauth.introspection.client_id: expected client_id and its"),
                  HasSubstr("users[0].oauth.keys_ttl: expected nothing without keys_url"),
                  HasSubstr("users[0].oauth.timeout: expected at most the source's deadline"),
                  HasSubstr("users[0].cache: expected no cache for source oauth")));
}

TEST(Oauth, needs_a_pool_where_a_token_or_headgate_s_own_word_counts) {
  const std::string keys = "introspection: {url: \"https://i/\"}";
  EXPECT_THAT(errors_of(with_oauth(keys, "", "login: password")),
              ElementsAre(HasSubstr("users[0].pool: expected a pool with a master user, or with "
                                    "login token, secret or external")));
  EXPECT_THAT(errors_of(with_oauth(keys, "", "login: secret, secret: s")), IsEmpty());
  EXPECT_THAT(errors_of(with_oauth(keys, "", "master: {user: m, password: p}")), IsEmpty());
}

}  // namespace
}  // namespace headgate::config
