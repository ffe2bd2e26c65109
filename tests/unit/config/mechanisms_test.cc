#include "config/mechanisms.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "texts.h"

namespace headgate::config {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// A listener, a pool and a source on the lines 1 to 3, each with more keys.
std::string file(const std::string& listener, const std::string& pool,
                 const std::string& source = "source: backend") {
  return "listeners: [{name: a, address: \"127.0.0.1:0\", tls: none" + listener +
         "}]\npools: {main: {backends: [{address: \"b:143\"}]" + pool + "}}\nusers: [{" + source +
         ", pool: main}]\n";
}

std::vector<std::string> offered_by(const std::string& text) {
  const auto config = load_text("t.yaml", text, Files::kIgnore);
  if (!config) {
    ADD_FAILURE() << config.error().front().to_string();
    return {};
  }
  std::vector<std::string> names;
  for (const Mechanism& mechanism : offered(*config, config->listeners[0])) {
    names.emplace_back(name(mechanism));
  }
  return names;
}

const std::string kTokens = ", login: token";
const std::string kTls = ", tls: implicit, verify: false";
const std::string kPasswd = "source: passwd_file, path: p";

TEST(Mechanisms, OnlyWhatASourceCanServeIsOffered) {
  EXPECT_THAT(offered_by(file("", "")), ElementsAre("PLAIN", "LOGIN"));
  EXPECT_THAT(offered_by(file("", kTokens)),
              ElementsAre("PLAIN", "LOGIN", "XOAUTH2", "OAUTHBEARER"));
  EXPECT_THAT(offered_by(file("", kTokens, kPasswd)), ElementsAre("PLAIN", "LOGIN"));
}

TEST(Mechanisms, AListenerMayNarrowThem) {
  EXPECT_THAT(offered_by(file(", sasl: [OAUTHBEARER, PLAIN]", kTokens)),
              ElementsAre("OAUTHBEARER", "PLAIN"));
}

TEST(Mechanisms, WhatNoSourceCanServeIsRefused) {
  EXPECT_THAT(errors_of(file(", sasl: [PLAIN, XOAUTH2]", "")),
              ElementsAre("t.yaml:1: listeners[0].sasl[1]: expected a mechanism that a user source "
                          "can serve (PLAIN, LOGIN), found XOAUTH2, which takes a source that "
                          "checks tokens or a pool with login token"));
  EXPECT_THAT(errors_of(file(", sasl: [PLAIN, LOGIN, PLAIN]", "")),
              ElementsAre("t.yaml:1: listeners[0].sasl[2]: expected each mechanism once, found "
                          "PLAIN again"));
  EXPECT_THAT(
      errors_of(file(", sasl: [plain]", "")),
      ElementsAre(HasSubstr("listeners[0].sasl[0]: expected one of PLAIN, LOGIN, XOAUTH2, "
                            "OAUTHBEARER, SCRAM-SHA-256-PLUS, SCRAM-SHA-1-PLUS, "
                            "SCRAM-SHA-256, SCRAM-SHA-1, CRAM-MD5, DIGEST-MD5, GSSAPI, GSS-SPNEGO, "
                            "EXTERNAL, or the name of another one in capitals, found 'plain'")));
  EXPECT_THAT(errors_of(file(", sasl: []", "")),
              ElementsAre(HasSubstr("a list of at least one SASL mechanism")));
}

const std::string kMaster = ", master: {user: m, password: p}";

TEST(Mechanisms, ExchangesAreOfferedWhereTheyAreNamedAndASourceHasWhatTheyNeed) {
  EXPECT_THAT(offered_by(file("", kMaster, kPasswd)), ElementsAre("PLAIN", "LOGIN"));
  EXPECT_THAT(offered_by(file(", sasl: [SCRAM-SHA-256, CRAM-MD5]", kMaster, kPasswd)),
              ElementsAre("SCRAM-SHA-256", "CRAM-MD5"));
  EXPECT_THAT(errors_of(file(", sasl: [SCRAM-SHA-1]", "")),
              ElementsAre(HasSubstr("(PLAIN, LOGIN), found SCRAM-SHA-1, which takes a source that "
                                    "knows what is stored of passwords: passwd_file, sql, or "
                                    "ldap with passwords fetch")));
}

TEST(Mechanisms, ExchangesAreRefusedWhereTheBackendsNeedThePassword) {
  EXPECT_THAT(errors_of(file(", sasl: [PLAIN, SCRAM-SHA-256]", "", kPasswd)),
              ElementsAre("t.yaml:1: listeners[0].sasl[1]: expected mechanisms that tell the "
                          "password, since users[0] leads to pool main, which has neither a "
                          "master user nor login secret or external, found SCRAM-SHA-256"));
  EXPECT_THAT(offered_by(file(", sasl: [SCRAM-SHA-256]", ", login: secret, secret: s", kPasswd)),
              ElementsAre("SCRAM-SHA-256"));
}

TEST(Mechanisms, PlusTakesTls) {
  EXPECT_THAT(errors_of(file(", sasl: [SCRAM-SHA-256-PLUS]", kMaster, kPasswd)),
              ElementsAre(HasSubstr("listeners[0].sasl[0]: expected a listener with TLS for a "
                                    "mechanism tied to the TLS connection, found SCRAM")));
}

TEST(Mechanisms, APoolsLoginHasTheKeysThatItNeeds) {
  const auto secret = errors_of(file("", ", login: secret", kPasswd));
  EXPECT_THAT(secret, ElementsAre(HasSubstr("pools.main.secret: expected either secret or "
                                            "secret_file with login secret")));
  EXPECT_THAT(errors_of(file("", ", secret: s")), ElementsAre(HasSubstr("pools.main.secret: ")));
  EXPECT_THAT(errors_of(file("", ", login: external" + kTls, kPasswd)),
              ElementsAre(HasSubstr("pools.main.login: expected a section client_certificate")));
  EXPECT_THAT(errors_of(file("", ", client_certificate: {certificate: c, key: k}")),
              ElementsAre(HasSubstr("pools.main.client_certificate: expected no certificate")));
  EXPECT_THAT(
      errors_of(file("", ", login: secret, secret: s, master: {user: m, password: p}", kPasswd)),
      ElementsAre(HasSubstr("pools.main.login: expected login password or token")));
  EXPECT_THAT(errors_of(file("", ", login: secret, secret: s", kPasswd)), ElementsAre());
  EXPECT_THAT(
      errors_of(file("", ", login: external, client_certificate: {certificate: c, key: k}" + kTls,
                     kPasswd)),
      ElementsAre());
}

TEST(Mechanisms, APoolThatTrustsHeadgateNeedsASourceThatChecks) {
  EXPECT_THAT(errors_of(file("", ", login: secret, secret: s")),
              ElementsAre(HasSubstr("users[0].pool: expected another pool")));
  EXPECT_THAT(
      errors_of(file("", ", login: external, client_certificate: {certificate: c, key: k}" + kTls)),
      ElementsAre(HasSubstr("users[0].pool: expected another pool")));
}

TEST(Mechanisms, WhereNoAuthorityIsKnownThereIsNoExternal) {
  const auto with = [](const std::string& clients, const std::string& sasl = "") {
    return "listeners: [{name: a, address: \"127.0.0.1:0\", tls: implicit, client_certificates: {" +
           clients + "}" + sasl +
           "}]\ntls: {certificates: [{certificate: c.pem, key: k.pem}]}\n"
           "pools: {main: {master: {user: m, password: p}, backends: [{address: \"b:143\"}]}}\n"
           "users: [{source: passwd_file, path: p, pool: main}";
  };
  const std::string others = "unknown_authorities: true";
  EXPECT_THAT(offered_by(with(others) + "]\n"), ElementsAre("PLAIN", "LOGIN"));
  const std::string external = ", {source: certificate, pool: main}]\n";
  EXPECT_THAT(errors_of(with(others) + external),
              ElementsAre(HasSubstr("users[1].source: expected a listener with")));
  EXPECT_THAT(offered_by(with(others + ", ca: ca.pem") + external),
              ElementsAre("PLAIN", "LOGIN", "EXTERNAL"));
  EXPECT_THAT(
      errors_of(with("required: true") + "]\n"),
      ElementsAre(HasSubstr("client_certificates.ca: expected the authorities of clients")));
  EXPECT_THAT(errors_of(with(others + ", crl: l.pem") + "]\n"),
              ElementsAre(HasSubstr("client_certificates.crl: expected nothing without ca")));
}

// The first of two listeners asks for certificates.
std::string file_with_certificates(const std::string& first, const std::string& second) {
  return "listeners: [{name: a, address: \"127.0.0.1:0\", tls: implicit, "
         "client_certificates: {ca: ca.pem}" +
         first + "}, {name: b, address: \"127.0.0.1:0\", tls: implicit" + second +
         "}]\ntls: {certificates: [{certificate: c.pem, key: k.pem}]}\n"
         "pools: {main: {master: {user: m, password: p}, backends: [{address: \"b:143\"}]}}\n"
         "users: [{source: certificate, pool: main}, {source: passwd_file, path: p, pool: main}]\n";
}

TEST(Mechanisms, ExternalIsOfferedWhereCertificatesAreAskedForAlone) {
  EXPECT_THAT(offered_by(file_with_certificates("", "")),
              ElementsAre("PLAIN", "LOGIN", "EXTERNAL"));
  const auto config = load_text("t.yaml", file_with_certificates("", ""), Files::kIgnore);
  ASSERT_TRUE(config.has_value());
  EXPECT_EQ(offered(*config, config->listeners[1]).size(), 2U);
  EXPECT_FALSE(
      load_text("t.yaml", file_with_certificates("", ", sasl: [EXTERNAL]"), Files::kIgnore));
}

std::string dovecot(const std::string& more) {
  return "source: dovecot_auth, dovecot_auth: {servers: [/run/auth]" + more + "}";
}
const std::string kMasterUser = ", master: {user: m, password: s}";

TEST(Mechanisms, DovecotJudgesWhatItHas) {
  EXPECT_THAT(offered_by(file("", "", dovecot(""))), ElementsAre("PLAIN", "LOGIN"));
  EXPECT_THAT(offered_by(file(", sasl: [SCRAM-SHA-256, CRAM-MD5]", kMasterUser,
                              dovecot(", checks_passwords: true"))),
              ElementsAre("SCRAM-SHA-256", "CRAM-MD5"));
  EXPECT_THAT(offered_by(file("", kTokens, dovecot(", tokens: true"))),
              ElementsAre("PLAIN", "LOGIN", "XOAUTH2", "OAUTHBEARER"));
  EXPECT_THAT(offered_by(file(", sasl: [CRAM-MD5]", "", dovecot(", brings_passwords: true"))),
              ElementsAre("CRAM-MD5"));
  EXPECT_THAT(offered_by(file(", sasl: [DIGEST-MD5, GSSAPI, GSS-SPNEGO]", kMasterUser,
                              dovecot(", checks_passwords: true"))),
              ElementsAre("DIGEST-MD5", "GSSAPI", "GSS-SPNEGO"));
  EXPECT_THAT(errors_of(file(", sasl: [GSSAPI]", kMasterUser, kPasswd)),
              ElementsAre(HasSubstr("found GSSAPI, which takes source dovecot_auth")));
  EXPECT_THAT(errors_of(file(", sasl: [CRAM-MD5]", "", dovecot(""))),
              ElementsAre(HasSubstr("mechanisms that tell the password")));
}

TEST(Mechanisms, OthersGoByTheirNamesToAnAuthServiceAlone) {
  const std::string checks = dovecot(", checks_passwords: true");
  EXPECT_THAT(offered_by(file(", sasl: [PLAIN, OTP, NTLM, X_2]", kMasterUser, checks)),
              ElementsAre("PLAIN", "OTP", "NTLM", "X_2"));
  EXPECT_THAT(errors_of(file(", sasl: [OTP]", kMasterUser, kPasswd)),
              ElementsAre(HasSubstr("found OTP, which takes source dovecot_auth")));
  EXPECT_THAT(errors_of(file(", sasl: [OTP]", "", checks)),
              ElementsAre(HasSubstr("mechanisms that tell the password")));
  EXPECT_THAT(errors_of(file(", sasl: [OTP, OTP]", kMasterUser, checks)),
              ElementsAre(HasSubstr("sasl[1]: expected each mechanism once, found OTP again")));
  EXPECT_THAT(errors_of(file(", sasl: [ANONYMOUS]", kMasterUser, checks)),
              ElementsAre(HasSubstr("expected a mechanism that tells who the client is, found")));
  EXPECT_THAT(errors_of(file(", sasl: [SCRAM-SHA-512-PLUS]", kMasterUser, checks)),
              ElementsAre(HasSubstr("expected SCRAM-SHA-256-PLUS or SCRAM-SHA-1-PLUS")));
  for (const char* name : {"[otp]", "[A-NAME-OF-21-LETTERS-]", "[\"\"]", "[O.P]", "[[OTP]]"}) {
    EXPECT_THAT(errors_of(file(std::string(", sasl: ") + name, kMasterUser, checks)),
                ElementsAre(HasSubstr("or the name of another one in capitals")))
        << name;
  }
}

TEST(Mechanisms, DovecotJudgesCertificatesWhereItIsToldTo) {
  const auto with = [](const std::string& clients, const std::string& pool,
                       const std::string& more) {
    return "listeners: [{name: a, address: \"127.0.0.1:0\", tls: implicit" + clients +
           "}]\ntls: {certificates: [{certificate: c.pem, key: k.pem}]}\npools: {main: {backends: "
           "[{address: \"b:143\"}]" +
           pool + "}}\nusers: [{" + dovecot(", checks_passwords: true, external: true" + more) +
           ", pool: main}]\n";
  };
  const std::string asks = ", client_certificates: {ca: ca.pem}";
  EXPECT_THAT(offered_by(with(asks, kMasterUser, "")), ElementsAre("PLAIN", "LOGIN", "EXTERNAL"));
  EXPECT_THAT(errors_of(with("", kMasterUser, "")),
              ElementsAre(HasSubstr("users[0].dovecot_auth.external: expected a listener with "
                                    "client_certificates for external, found none")));
  EXPECT_THAT(errors_of(with(asks, "", "")),
              ElementsAre(HasSubstr("since a certificate is no password")));
  EXPECT_THAT(errors_of(with(asks, "", ", brings_passwords: true")), ElementsAre());
}

std::string auth_http(const std::string& methods) {
  return "source: auth_http, url: \"http://a/\", http: {methods: [" + methods + "]}";
}

TEST(Mechanisms, AuthHttpJudgesWhatItsMethodsSay) {
  EXPECT_THAT(offered_by(file("", "", auth_http("plain"))), ElementsAre("PLAIN", "LOGIN"));
  EXPECT_THAT(offered_by(file("", "", auth_http("plain, cram-md5, token"))),
              ElementsAre("PLAIN", "LOGIN", "XOAUTH2", "OAUTHBEARER"));
  EXPECT_THAT(offered_by(file(", sasl: [CRAM-MD5]", "", auth_http("cram-md5"))),
              ElementsAre("CRAM-MD5"));
  EXPECT_THAT(errors_of(file(", sasl: [CRAM-MD5]", "", auth_http("plain"))),
              ElementsAre(HasSubstr("for CRAM-MD5 auth_http with http.methods cram-md5")));
  EXPECT_THAT(errors_of(file(", sasl: [SCRAM-SHA-256]", "", auth_http("plain, cram-md5"))),
              ElementsAre(HasSubstr("(PLAIN, LOGIN, CRAM-MD5), found SCRAM-SHA-256")));
  EXPECT_THAT(errors_of(file("", "", auth_http("plain, external"))),
              ElementsAre(HasSubstr("users[0].http.methods: expected a listener with "
                                    "client_certificates for external, found none")));
  EXPECT_THAT(errors_of(file("", "", auth_http("plain, plain"))),
              ElementsAre(HasSubstr("users[0].http.methods[1]: expected another method, found "
                                    "'plain' again")));
  EXPECT_THAT(errors_of(file("", "", auth_http(""))),
              ElementsAre(HasSubstr("a list of at least one method")));
  EXPECT_THAT(errors_of(file("", "", auth_http("plain, token") + ", cache: {}")),
              ElementsAre(HasSubstr("users[0].cache: expected no cache with http.methods token")));
}

TEST(Mechanisms, OnlyOneOfTwoSourcesCanJudgeAnExchangeWhereOneJudgesItsRounds) {
  const auto both = [](const std::string& sasl) {
    return errors_of(file(", sasl: [" + sasl + "]", kMaster,
                          auth_http("plain, cram-md5") + ", pool: main}, {" + kPasswd));
  };
  EXPECT_THAT(both("CRAM-MD5"), ElementsAre(HasSubstr("users[1] would never be asked")));
  EXPECT_THAT(both("SCRAM-SHA-256"), ElementsAre()) << "auth_http does not know it";
}

}  // namespace
}  // namespace headgate::config
