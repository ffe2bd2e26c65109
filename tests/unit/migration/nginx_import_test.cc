#include "migration/nginx_import.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/config.h"

namespace headgate::migration {
namespace {

using namespace std::chrono_literals;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;

// The configuration that the import gives, read as Headgate reads it.
config::Config loaded(const Import& imported) {
  auto config = config::load_text("imported.yaml", imported.yaml, config::Files::kIgnore);
  if (!config) {
    ADD_FAILURE() << config.error().front().to_string() << "\n" << imported.yaml;
    return {};
  }
  return *std::move(config);
}

TEST(NginxImport, ServersBecomeListenersAndAuthHttpTheUserSource) {
  const auto imported = import_nginx(R"(
worker_processes 4;
events { worker_connections 1024; }
mail {
    auth_http 127.0.0.1:8080/mail/auth;
    auth_http_timeout 3s;
    auth_http_header X-Auth-Key "a secret";
    proxy_timeout 1h;
    timeout 45s;
    max_errors 4;
    ssl_certificate full.pem;
    ssl_certificate_key /etc/key.pem;
    ssl_protocols TLSv1 TLSv1.2 TLSv1.3;
    server { listen 993 ssl; protocol imap; }
    server { listen [::]:143; protocol imap; starttls on; }
    server { listen 110; protocol pop3; }
})",
                                     "/etc/nginx");
  ASSERT_TRUE(imported) << imported.error();
  const config::Config config = loaded(*imported);
  EXPECT_EQ(config.workers, 4U);
  ASSERT_EQ(config.listeners.size(), 2U);
  EXPECT_EQ(config.listeners[0].address.to_string(), "0.0.0.0:993");
  EXPECT_EQ(config.listeners[0].tls, config::TlsMode::kImplicit);
  EXPECT_EQ(config.listeners[1].address.to_string(), "[::]:143");
  EXPECT_EQ(config.listeners[1].tls, config::TlsMode::kStartTls);
  EXPECT_EQ(config.users[0].url->to_string(), "http://127.0.0.1:8080/mail/auth");
  EXPECT_EQ(config.users[0].http.timeout, 3s);
  EXPECT_EQ(config.users[0].http.headers[0].value.view(), "a secret");
  EXPECT_EQ(config.login.timeout, 45s);
  EXPECT_EQ(config.login.max_bad_commands, 4U);
  EXPECT_EQ(config.relay.idle_timeout, 1h);
  EXPECT_EQ(config.tls.minimum_version, "1.2");
  EXPECT_EQ(config.tls.certificates[0].certificate, "/etc/nginx/full.pem");
  EXPECT_EQ(config.tls.certificates[0].key, "/etc/key.pem");
  EXPECT_THAT(imported->notes,
              Contains("line 16: server: left out: it speaks pop3, Headgate speaks IMAP"));
  EXPECT_THAT(imported->notes,
              Contains("line 13: ssl_protocols: TLSv1 is too old and not offered"));
}

TEST(NginxImport, WhatServersDoNotAgreeOnIsNoted) {
  const auto imported = import_nginx(
      "mail { server { listen 143; auth_http a.example/x; timeout 10s; }\n"
      "server { listen 144; auth_http b.example/x; timeout 20s; protocol imap; whatever on; } }",
      "/");
  ASSERT_TRUE(imported) << imported.error();
  const config::Config config = loaded(*imported);
  EXPECT_EQ(config.users[0].url->to_string(), "http://a.example:80/x");
  EXPECT_EQ(config.login.timeout, 10s);
  EXPECT_THAT(config.listeners[1].name, "imap_2");
  EXPECT_THAT(imported->notes,
              testing::IsSupersetOf(
                  {"line 2: whatever: unknown, left out",
                   "line 2: auth_http: one source serves all listeners: http://a.example:80/x "
                   "stands, http://b.example:80/x is left out",
                   "line 2: login.timeout is one for all listeners: 10s stands, 20s is left out"}));
}

TEST(NginxImport, ListenersBehindABalancerTrustItsNetworksAlone) {
  const auto imported = import_nginx(
      "mail { auth_http http://a/; set_real_ip_from 10.0.0.0/8; set_real_ip_from 192.0.2.1;\n"
      "server { listen 143 proxy_protocol backlog=99; } }",
      "/");
  ASSERT_TRUE(imported) << imported.error();
  const config::Config config = loaded(*imported);
  ASSERT_TRUE(config.listeners[0].proxy_protocol);
  EXPECT_EQ(config.listeners[0].proxy_protocol->trusted.size(), 2U);
  EXPECT_EQ(config.listeners[0].backlog, 99);
}

TEST(NginxImport, WhatTheAuthServerJudgesIsOffered) {
  const auto imported = import_nginx(
      "mail { auth_http http://unix:/run/auth:/mail; auth_http_pass_client_cert on;\n"
      "ssl_certificate c; ssl_certificate_key k; ssl_client_certificate ca.pem;\n"
      "imap_auth plain cram-md5 external oauthbearer gssapi;\n"
      "server { listen 993 ssl; protocol imap; ssl_verify_client optional; ssl_crl l.pem; }\n"
      "server { listen 143; protocol imap; starttls on; } }",
      "/etc/nginx");
  ASSERT_TRUE(imported) << imported.error();
  const config::Config config = loaded(*imported);
  EXPECT_EQ(config.users[0].url->to_string(), "http://unix:/run/auth:/mail");
  for (const auto method : {config::AuthMethod::kPlain, config::AuthMethod::kCramMd5,
                            config::AuthMethod::kExternal, config::AuthMethod::kToken}) {
    EXPECT_TRUE(config.users[0].http.judges(method));
  }
  EXPECT_TRUE(config.users[0].http.pass_client_cert);
  ASSERT_TRUE(config.listeners[0].client_certificates);
  EXPECT_EQ(config.listeners[0].client_certificates->ca, "/etc/nginx/ca.pem");
  EXPECT_EQ(config.listeners[0].client_certificates->crl, "/etc/nginx/l.pem");
  EXPECT_FALSE(config.listeners[0].client_certificates->required);
  EXPECT_EQ(config.listeners[0].client_certificates->depth, 1U);
  using enum config::Mechanism::Kind;
  EXPECT_THAT(config.listeners[0].sasl, ElementsAre(kPlain, kCramMd5, kExternal, kOauthbearer));
  EXPECT_THAT(config.listeners[1].sasl, ElementsAre(kPlain, kCramMd5, kOauthbearer));
  EXPECT_THAT(imported->notes,
              testing::IsSupersetOf(
                  {"line 3: imap_auth: gssapi is not offered",
                   "line 3: imap_auth: external is not offered without ssl_verify_client"}));
}

TEST(NginxImport, CertificatesThatNobodyVouchesForPassAndProveNothing) {
  const auto imported = import_nginx(
      "mail { auth_http localhost/a; ssl_certificate c; ssl_certificate_key k;\n"
      "imap_auth plain external; ssl_verify_client optional_no_ca;\n"
      "server { listen 993 ssl; protocol imap; }\n"
      "server { listen 994 ssl; protocol imap; ssl_client_certificate ca.pem; } }",
      "/etc/nginx");
  ASSERT_TRUE(imported) << imported.error();
  const config::Config config = loaded(*imported);
  ASSERT_TRUE(config.listeners[0].client_certificates && config.listeners[1].client_certificates);
  EXPECT_TRUE(config.listeners[0].client_certificates->unknown_authorities);
  EXPECT_EQ(config.listeners[0].client_certificates->ca, "");
  EXPECT_EQ(config.listeners[1].client_certificates->ca, "/etc/nginx/ca.pem");
  EXPECT_FALSE(config.listeners[1].client_certificates->required);
  using enum config::Mechanism::Kind;
  EXPECT_THAT(config.listeners[0].sasl, testing::Not(testing::Contains(kExternal)));
  EXPECT_THAT(config.listeners[1].sasl, testing::Contains(kExternal));
  EXPECT_THAT(imported->notes,
              testing::Contains("line 2: imap_auth: external is not offered without "
                                "ssl_client_certificate: a certificate that nobody vouches for "
                                "lets nobody in"));
}

TEST(NginxImport, WithoutAServerForImapThereIsNothingToImport) {
  for (const char* text :
       {"", "http { server { listen 80; } }", "mail { server { listen 25; protocol smtp; } }",
        "mail { server { listen unix:/tmp/x; protocol imap; } }"}) {
    const auto imported = import_nginx(text, "/");
    ASSERT_FALSE(imported) << text;
    EXPECT_THAT(imported.error(), HasSubstr("expected a mail block"));
  }
  EXPECT_THAT(import_nginx("mail {", "/").error(), HasSubstr("1: expected"));
}

}  // namespace
}  // namespace headgate::migration
