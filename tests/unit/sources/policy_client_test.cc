#include "sources/policy_client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace headgate::sources {
namespace {

using testing::HasSubstr;
using Json = nlohmann::json;

PolicyLogin some_login() {
  PolicyLogin login;
  login.user = "alice@example.org";
  login.password_hash = "0abc";
  login.remote = "192.0.2.7";
  login.device = R"("name" "Phone" "version" NIL)";
  login.session_id = "s1";
  login.listener = "imaps";
  login.tls = true;
  return login;
}

TEST(PolicyHash, ItIsTheFirstBitsOfTheDigestAsANumberAsDovecotHasIt) {
  // printf 'saltalice\0secret' | sha256sum
  const auto hash = [](unsigned bits) {
    return policy_hash(Secret("salt"), "alice", Secret("secret"), bits);
  };
  const std::string whole = hash(256);
  EXPECT_EQ(whole, "6d28e58f027cf4b7a8d211ab771ea76865e52cdd27a61d47646f6fd4c27a3a48");
  EXPECT_EQ(hash(12), "0" + whole.substr(0, 3));
  EXPECT_EQ(hash(16), whole.substr(0, 4));
  EXPECT_EQ(hash(4), "0" + whole.substr(0, 1));
  // What Dovecot 2.3 was seen to send.
  EXPECT_EQ(policy_hash(Secret("between us alone"), "alice", Secret("wonderland"), 12), "0992");
  EXPECT_NE(policy_hash(Secret("salt"), "alic", Secret("esecret"), 256), whole);
}

TEST(PolicyQuestion, TheFieldsAreThoseThatWeakforcedKnows) {
  const Json question = Json::parse(policy_question(some_login()));
  EXPECT_EQ(question, Json::parse(R"({"login": "alice@example.org", "pwhash": "0abc",
    "remote": "192.0.2.7", "device_id": "\"name\" \"Phone\" \"version\" NIL", "session_id": "s1",
    "protocol": "imap", "tls": true, "attrs": {"listener": "imaps"}})"));
  const Json report = Json::parse(policy_report(some_login(), false, true));
  EXPECT_EQ(report["success"], false);
  EXPECT_EQ(report["policy_reject"], true);
  EXPECT_EQ(report["login"], "alice@example.org");
}

TEST(PolicyQuestion, WhatIsNoUtf8IsSentAllTheSame) {
  PolicyLogin login = some_login();
  login.device = "\xFF";
  EXPECT_EQ(Json::parse(policy_question(login))["device_id"], "\xEF\xBF\xBD");
}

TEST(PolicyVerdict, TheStatusIsTheVerdict) {
  EXPECT_FALSE(policy_verdict(R"({"status": 0, "msg": "", "r_attrs": {}})")->refused);
  const auto refused = policy_verdict(R"({"status": -1, "msg": "too many"})");
  EXPECT_TRUE(refused->refused);
  EXPECT_EQ(refused->message, "too many");
  const auto delayed = policy_verdict(R"({"status": 7})");
  EXPECT_FALSE(delayed->refused);
  EXPECT_EQ(delayed->delay, std::chrono::seconds(7));
  EXPECT_EQ(policy_verdict(R"({"status": 4711000})")->delay, std::chrono::seconds(60));
}

TEST(PolicyVerdict, WhatSaysNothingIsAnError) {
  for (const char* answer :
       {"", "{}", "[]", "0", "{\"status\": \"0\"}", "{\"status\": 0.5}", "x"}) {
    const auto verdict = policy_verdict(answer);
    ASSERT_FALSE(verdict) << answer;
    EXPECT_THAT(verdict.error(), HasSubstr("expected a JSON object")) << answer;
  }
}

}  // namespace
}  // namespace headgate::sources
