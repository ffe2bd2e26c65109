#include "server/session/backend_proof.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace headgate::server {
namespace {

using config::BackendLogin;
using dialogue::BackendLoginRequest;
using dialogue::BackendProof;
using testing::HasSubstr;
using testing::Optional;

config::Pool pool_with(BackendLogin login) {
  config::Pool pool;
  pool.name = "main";
  pool.login = login;
  if (login == BackendLogin::kSecret) {
    pool.secret = Secret("common");
  }
  return pool;
}

auth::Route route(bool checked) {
  auth::Route route;
  route.user = "alice";
  route.use_master = checked;
  return route;
}

dialogue::Credentials by(std::string mechanism) {
  return {std::move(mechanism), "alice@example.org", Secret("own")};
}

BackendLoginRequest proven(const config::Pool& pool, bool checked, std::string mechanism) {
  const dialogue::Credentials credentials = by(std::move(mechanism));
  EXPECT_EQ(why_useless(pool, route(checked), credentials), std::nullopt);
  BackendLoginRequest request;
  prove(pool, route(checked), credentials, request);
  return request;
}

TEST(BackendProofTest, TheClientsOwnPasswordGoesAlong) {
  for (const BackendLogin login : {BackendLogin::kPassword, BackendLogin::kToken}) {
    const auto request = proven(pool_with(login), false, "PLAIN");
    EXPECT_EQ(request.proof, BackendProof::kPassword);
    EXPECT_EQ(request.user, "alice");
    EXPECT_EQ(request.authorization, "");
    EXPECT_EQ(request.password.view(), "own");
  }
}

TEST(BackendProofTest, AnExchangeLeavesNothingToPassOn) {
  dialogue::Credentials credentials = by("SCRAM-SHA-256");
  credentials.secret.clear();
  for (const BackendLogin login : {BackendLogin::kPassword, BackendLogin::kToken}) {
    EXPECT_THAT(why_useless(pool_with(login), route(true), credentials),
                Optional(HasSubstr("needs the client's password")));
  }
  EXPECT_EQ(why_useless(pool_with(BackendLogin::kSecret), route(true), credentials), std::nullopt);
}

TEST(BackendProofTest, ATokenGoesAlongOnlyWhereThePoolSaysSo) {
  const config::Pool tokens = pool_with(BackendLogin::kToken);
  EXPECT_EQ(proven(tokens, true, "XOAUTH2").proof, BackendProof::kXoauth2);
  const auto request = proven(tokens, false, "OAUTHBEARER");
  EXPECT_EQ(request.proof, BackendProof::kOauthbearer);
  EXPECT_EQ(request.user, "alice");
  EXPECT_EQ(request.password.view(), "own");
  EXPECT_THAT(why_useless(pool_with(BackendLogin::kPassword), route(true), by("XOAUTH2")),
              Optional(HasSubstr("pool main takes no tokens")));
}

TEST(BackendProofTest, AMasterUserLogsInForWhomASourceHasChecked) {
  config::Pool pool = pool_with(BackendLogin::kToken);
  pool.master = config::Master{"master", Secret("key"), ""};
  const auto request = proven(pool, true, "XOAUTH2");
  EXPECT_EQ(request.proof, BackendProof::kPassword);
  EXPECT_EQ(request.user, "master");
  EXPECT_EQ(request.authorization, "alice");
  EXPECT_EQ(request.password.view(), "key");
  EXPECT_EQ(proven(pool, false, "XOAUTH2").password.view(), "own");
}

TEST(BackendProofTest, AMasterUserMayStandBehindTheUsersName) {
  config::Pool pool = pool_with(BackendLogin::kPassword);
  pool.master = config::Master{"master", Secret("key"), "*"};
  const auto request = proven(pool, true, "PLAIN");
  EXPECT_EQ(request.user, "alice*master");
  EXPECT_EQ(request.authorization, "");
  EXPECT_EQ(request.password.view(), "key");
  auth::Route other = route(true);
  other.user = "bob*alice";  // a backend may log in bob
  EXPECT_THAT(why_useless(pool, other, by("PLAIN")), Optional(HasSubstr("holds the separator")));
  other.use_master = false;  // with a password of its own it is whoever the backend says
  EXPECT_EQ(why_useless(pool, other, by("PLAIN")), std::nullopt);
}

TEST(BackendProofTest, APoolThatTrustsHeadgateIsForCheckedUsersAlone) {
  const config::Pool secret = pool_with(BackendLogin::kSecret);
  const auto request = proven(secret, true, "XOAUTH2");
  EXPECT_EQ(request.proof, BackendProof::kPassword);
  EXPECT_EQ(request.user, "alice");
  EXPECT_EQ(request.password.view(), "common");
  const config::Pool external = pool_with(BackendLogin::kExternal);
  EXPECT_EQ(proven(external, true, "PLAIN").proof, BackendProof::kExternal);
  EXPECT_TRUE(proven(external, true, "PLAIN").password.empty());
  for (const auto* pool : {&secret, &external}) {
    EXPECT_THAT(why_useless(*pool, route(false), by("PLAIN")),
                Optional(HasSubstr("trusts Headgate, and the user source checks nothing")));
  }
}

TEST(BackendProofTest, ASourceMayBringAMasterUserWithThePassword) {
  auth::Route brought = route(true);
  brought.password = std::make_shared<const Secret>("masters");
  brought.master = "boss";
  BackendLoginRequest request;
  prove(pool_with(BackendLogin::kPassword), brought, by("CRAM-MD5"), request);
  EXPECT_EQ(request.user, "boss");
  EXPECT_EQ(request.authorization, "alice");
  EXPECT_EQ(request.password.view(), "masters");
}

TEST(BackendProofTest, ASourceMayBringATokenInPlaceOfThePassword) {
  auth::Route other = route(true);
  other.password = std::make_shared<const Secret>("token");
  other.proof = BackendProof::kXoauth2;
  dialogue::BackendLoginRequest request;
  prove(pool_with(BackendLogin::kPassword), other, by("LOGIN"), request);
  EXPECT_EQ(request.proof, BackendProof::kXoauth2);
  EXPECT_EQ(request.user, "alice");
  EXPECT_EQ(request.password.view(), "token");
}

TEST(BackendProofTest, WhatASourceWantsEncryptedNeverGoesInTheClear) {
  config::Pool pool = pool_with(BackendLogin::kPassword);
  auth::Route encrypted = route(true);
  encrypted.tls = auth::BackendTls::kStartTls;
  EXPECT_THAT(why_useless(pool, encrypted, by("PLAIN")), Optional(HasSubstr("wants TLS")));
  pool.tls = config::TlsMode::kImplicit;
  EXPECT_EQ(why_useless(pool, encrypted, by("PLAIN")), std::nullopt);
  EXPECT_EQ(tls_at_backend(pool, encrypted).mode, config::TlsMode::kStartTls);
  EXPECT_EQ(tls_at_backend(pool, route(true)).mode, config::TlsMode::kImplicit);
}

TEST(BackendProofTest, AnyCertificateWillDoOnlyWhereSourceAndPoolBothSaySo) {
  config::Pool pool = pool_with(BackendLogin::kPassword);
  pool.tls = config::TlsMode::kImplicit;
  auth::Route careless = route(true);
  careless.any_certificate = true;
  EXPECT_TRUE(tls_at_backend(pool, careless).verified);
  EXPECT_TRUE(refuses_any_certificate(pool, careless));
  EXPECT_FALSE(refuses_any_certificate(pool, route(true)));
  pool.allow_any_cert = true;
  EXPECT_FALSE(tls_at_backend(pool, careless).verified);
  EXPECT_FALSE(refuses_any_certificate(pool, careless));
  EXPECT_TRUE(tls_at_backend(pool, route(true)).verified);
}

}  // namespace
}  // namespace headgate::server
