#include "proof/scram_server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "base/base64.h"

namespace headgate::proof {
namespace {

using testing::StartsWith;
using Failure = ScramServer::Failure;

constexpr std::string_view kBare = "n=user,r=rOprNGfwEbeRWgbNEkqO";
const std::string kEndPoint(32, 'e');
const net::ChannelBindings kBindings{.exporter = std::string(32, 'x'),
                                     .unique = {},
                                     .end_points = {std::string(32, 'o'), kEndPoint}};

// The client's side, by the letter of RFC 5802 section 3. `messages` is the AuthMessage.
std::string proof_for(const Secret& password, const ScramKeys& keys, std::string_view messages) {
  const Secret salted =
      net::pbkdf2(keys.digest, password.view(), keys.salt.view(), keys.iterations);
  const Secret client_key = net::hmac(keys.digest, salted.view(), "Client Key");
  const Secret stored_key = net::hash(keys.digest, client_key.view(), "");
  const Secret signature = net::hmac(keys.digest, stored_key.view(), messages);
  std::string proof;
  for (std::size_t at = 0; at < signature.size(); ++at) {
    proof += static_cast<char>(client_key.view()[at] ^ signature.view()[at]);
  }
  return base64_encode(proof);
}

class ScramServerTest : public testing::Test {
 protected:
  // What the server makes of the proof of `password` behind `header`, with `data` as the binding.
  std::expected<std::string, Failure> finish(ScramServer& server, const std::string& header,
                                             std::string_view data = "",
                                             std::string_view password = "pencil") {
    const std::string challenge = server.challenge(keys_);
    const std::string without_proof = "c=" + base64_encode(header + std::string(data)) + "," +
                                      challenge.substr(0, challenge.find(','));
    messages_ = std::string(kBare) + "," + challenge + "," + without_proof;
    return server.read_final(without_proof + ",p=" + proof_for(Secret(password), keys_, messages_));
  }
  static std::expected<void, Failure> first(ScramServer& server, const std::string& header) {
    return server.read_first(header + std::string(kBare));
  }

  ScramKeys keys_ =
      ScramKeys::derive(net::Digest::kSha256, Secret("pencil"), "saltsaltsaltsalt", 4096);
  std::string messages_;
};

TEST_F(ScramServerTest, TheRightProofIsAnsweredWithTheServersOwn) {
  ScramServer server(net::Digest::kSha256, false, {});
  ASSERT_TRUE(first(server, "n,,"));
  EXPECT_EQ(server.user(), "user");
  const auto shown = finish(server, "n,,");
  ASSERT_TRUE(shown);
  EXPECT_EQ(*shown,
            "v=" + base64_encode(
                       net::hmac(net::Digest::kSha256, keys_.server_key.view(), messages_).view()));
  ScramServer other(net::Digest::kSha256, false, {});
  ASSERT_TRUE(first(other, "n,,"));
  EXPECT_EQ(finish(other, "n,,", "", "pencils").error(), Failure::kProof);
}

TEST_F(ScramServerTest, EachKindOfBindingIsTakenAndNoOtherConnectionsIs) {
  for (const auto& [header, data, good] :
       {std::tuple("p=tls-exporter,,", kBindings.exporter, true),
        {"p=tls-server-end-point,,", kEndPoint, true},
        {"p=tls-server-end-point,,", kBindings.end_points[0], true},
        {"p=tls-server-end-point,,", kBindings.exporter, false},
        {"p=tls-exporter,,", kEndPoint, false},
        {"p=tls-exporter,,", std::string(), false},
        {"p=tls-server-end-point,,", kEndPoint + "x", false},
        {"p=tls-unique,,", std::string(12, 'u'), true},
        {"p=tls-unique,,", kBindings.exporter, false},
        {"p=tls-exporter,,", std::string(12, 'u'), false}}) {
    net::ChannelBindings of_tls12 = kBindings;
    of_tls12.unique = std::string(12, 'u');
    ScramServer server(net::Digest::kSha256, true, of_tls12);
    ASSERT_TRUE(first(server, header));
    const auto shown = finish(server, header, data);
    EXPECT_EQ(shown.has_value(), good) << header << data;
    EXPECT_TRUE(good || shown.error() == Failure::kBinding) << header << data;
  }
}

TEST_F(ScramServerTest, AHeaderThatSaysOtherThanTheFirstMessageIsNotOfThisExchange) {
  ScramServer server(net::Digest::kSha256, false, {});
  ASSERT_TRUE(first(server, "y,,"));
  EXPECT_EQ(finish(server, "n,,").error(), Failure::kBinding);
}

TEST_F(ScramServerTest, TheFlagMustFitTheMechanismAndWhatIsOffered) {
  const net::ChannelBindings only_end_point{
      .exporter = {}, .unique = {}, .end_points = {kEndPoint}};
  for (const auto& [plus, bindings, header, good] :
       {std::tuple(false, net::ChannelBindings{}, "n,,", true),
        {false, {}, "y,,", true},
        {false, kBindings, "n,,", true},
        {false, kBindings, "y,,", false},
        {false, kBindings, "p=tls-exporter,,", false},
        {true, kBindings, "n,,", false},
        {true, kBindings, "y,,", false},
        {true, kBindings, "p=tls-unique,,", false},
        {true, kBindings, "p=tls-exporter,,", true},
        {true, only_end_point, "p=tls-exporter,,", false},
        {true, only_end_point, "p=tls-server-end-point,,", true},
        {true, {}, "p=tls-server-end-point,,", false}}) {
    ScramServer server(net::Digest::kSha256, plus, bindings);
    const auto read = first(server, header);
    EXPECT_EQ(read.has_value(), good) << header << plus;
    EXPECT_TRUE(good || read.error() == Failure::kBinding) << header << plus;
  }
}

TEST_F(ScramServerTest, NamesLoseTheirEscapes) {
  ScramServer server(net::Digest::kSha256, false, {});
  ASSERT_TRUE(server.read_first("n,a=b=2Cc,n=a=3Db=2Cc,r=abc,x=unknown"));
  EXPECT_EQ(server.user(), "a=b,c");
  EXPECT_EQ(server.authorization(), "b,c");
}

TEST_F(ScramServerTest, WhatIsNoFirstMessageIsRefused) {
  for (const std::string_view message : {"",
                                         "n",
                                         "n,",
                                         "n,,",
                                         ",,n=user,r=abc",
                                         "x,,n=user,r=abc",
                                         "nn,,n=user,r=abc",
                                         "p,,n=user,r=abc",
                                         "n,b=x,n=user,r=abc",
                                         "n,a=,n=user,r=abc",
                                         "n,,n=,r=abc",
                                         "n,,n=user",
                                         "n,,n=user,",
                                         "n,,n=user,r=",
                                         "n,,n=user,r=a b",
                                         "n,,n=user,r=a\x7f",
                                         "n,,m=x,n=user,r=abc",
                                         "n,,r=abc,n=user",
                                         "n,,n=us=er,r=abc",
                                         "n,,n=us=2cer,r=abc",
                                         "n,,n=user=2,r=abc"}) {
    ScramServer server(net::Digest::kSha256, false, {});
    const auto read = server.read_first(message);
    ASSERT_FALSE(read) << message;
    EXPECT_EQ(read.error(), Failure::kMalformed) << message;
  }
}

TEST_F(ScramServerTest, WhatIsNoProofIsRefused) {
  ScramServer server(net::Digest::kSha256, false, {});
  ASSERT_TRUE(first(server, "n,,"));
  const std::string challenge = server.challenge(keys_);
  EXPECT_THAT(challenge, StartsWith("r=rOprNGfwEbeRWgbNEkqO"));
  const std::string nonce = challenge.substr(0, challenge.find(','));
  for (const std::string& message :
       {std::string(), std::string("c=biws"), "c=biws," + nonce,
        "c=biws," + nonce + ",p=", "c=biws," + nonce + ",p=AAAA", "c=biws," + nonce + "x,p=AAAA",
        std::string("c=biws,r=rOprNGfwEbeRWgbNEkqO,p=AAAA"), "c=?," + nonce + ",p=AAAA",
        nonce + ",c=biws,p=AAAA", "c=biws," + nonce + ",p=" + std::string(44, 'A'),
        "c=biws,p=AAAA," + nonce}) {
    EXPECT_FALSE(server.read_final(message)) << message;
  }
}

TEST_F(ScramServerTest, EveryChallengeHasItsOwnNonce) {
  ScramServer server(net::Digest::kSha256, false, {});
  ASSERT_TRUE(first(server, "n,,"));
  EXPECT_NE(server.challenge(keys_), server.challenge(keys_));
}

}  // namespace
}  // namespace headgate::proof
