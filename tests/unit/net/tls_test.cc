#include "net/tls.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "net/transport.h"
#include "raw_peer.h"

namespace headgate::net {
namespace {

using test::Certificates;
using test::make_client_tls;
using test::make_server_tls;
using test::RawPeer;
using test::socket_pair;
using test::SocketPair;
using testing::AllOf;
using testing::HasSubstr;

std::string error_with(const CertificateFiles& files) {
  ServerTlsOptions options;
  options.certificates = {files};
  const auto made = ServerTls::create(options);
  return made ? "" : made.error();
}

// Two transports shaking hands with each other; the error of the client side, or nothing.
struct Handshake {
  Handshake(ServerTls& server_tls, ClientTls& client_tls, const std::string& name,
            std::string_view greeting = "* OK hello\r\n") {
    SocketPair sockets = socket_pair();
    server = std::make_unique<Transport>(std::move(sockets.ours), scratch);
    client = std::make_unique<Transport>(std::move(sockets.theirs), scratch);
    server->start_tls(server_tls, greeting);
    client->start_tls(client_tls, name);
    Want client_want = Want::kRead;
    Want server_want = Want::kRead;
    for (int turn = 0; turn < 10; ++turn) {
      client_want = client_want == Want::kRead ? client->handshake().want : client_want;
      server_want = server_want == Want::kRead ? server->handshake().want : server_want;
    }
    succeeded = client_want == Want::kNone && server_want == Want::kNone;
    if (succeeded) {
      server->flush();
      std::vector<char> room(100);
      client->read(room);  // the greeting, and the ticket
      client->read(room);
    }
  }
  IoScratch scratch;
  std::unique_ptr<Transport> server;
  std::unique_ptr<Transport> client;
  bool succeeded = false;
};

TEST(ServerTls, AMissingFileIsNamed) {
  const auto& good = Certificates::get().ecdsa;
  EXPECT_THAT(error_with({"/nowhere/cert.pem", good.key}),
              AllOf(HasSubstr("/nowhere/cert.pem"), HasSubstr("No such file")));
  EXPECT_THAT(error_with({good.certificate, "/nowhere/key.pem"}),
              AllOf(HasSubstr("/nowhere/key.pem"), HasSubstr("No such file")));
}

TEST(ServerTls, AKeyOfAnotherCertificateIsNamedWithIt) {
  const auto& all = Certificates::get();
  EXPECT_THAT(error_with({all.ecdsa.certificate, all.rsa.key}),
              AllOf(HasSubstr(all.ecdsa.certificate), HasSubstr(all.rsa.key)));
}

TEST(ServerTls, AFileWithoutPemIsNamed) {
  const test::TemporaryDirectory directory;
  const std::string garbage = directory.file("garbage.pem");
  std::ofstream(garbage) << "not a certificate\n";
  const auto& good = Certificates::get().ecdsa;
  EXPECT_THAT(error_with({garbage, good.key}), AllOf(HasSubstr(garbage), HasSubstr("PEM")));
  EXPECT_THAT(error_with({good.certificate, garbage}), AllOf(HasSubstr(garbage), HasSubstr("PEM")));
  const std::string broken = directory.file("broken.pem");
  std::ofstream(broken) << "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
  EXPECT_THAT(error_with({broken, good.key}), AllOf(HasSubstr(broken), HasSubstr("broken")));
}

TEST(ServerTls, AnEncryptedKeyIsAnErrorAndNotAPrompt) {
  const test::TemporaryDirectory directory;
  const std::string path = directory.file("encrypted.key");
  const test::Key key = test::make_key(false);
  test::write_key(path, key.get(), "secret");
  EXPECT_THAT(error_with({Certificates::get().ecdsa.certificate, path}),
              AllOf(HasSubstr(path), HasSubstr("unencrypted")));
}

TEST(ServerTls, NoCertificateIsAnError) {
  EXPECT_FALSE(ServerTls::create({}).has_value());
}

TEST(ServerTls, APolicyThatOpensslDoesNotKnowIsAnError) {
  ServerTlsOptions options;
  options.certificates = {Certificates::get().ecdsa};
  options.policy.minimum_version = "1.1";
  EXPECT_THAT(ServerTls::create(options).error(), HasSubstr("1.1"));
  options.policy = {};
  options.policy.ciphers = "NONSENSE";
  EXPECT_THAT(ServerTls::create(options).error(), HasSubstr("NONSENSE"));
  options.policy = {};
  options.policy.cipher_suites = "TLS_NONSENSE";
  EXPECT_THAT(ServerTls::create(options).error(), HasSubstr("TLS_NONSENSE"));
  options.policy = {};
  options.policy.groups = "X25519:nonsense";
  EXPECT_THAT(ServerTls::create(options).error(), HasSubstr("nonsense"));
  options.policy.groups = "X25519:P-256";
  EXPECT_TRUE(ServerTls::create(options).has_value());
}

TEST(ServerTls, RsaAndEcdsaStandSideBySideAndTheFirstOfAKindWins) {
  const test::TemporaryDirectory directory;
  const CertificateFiles second{directory.file("2.pem"), directory.file("2.key")};
  const test::Key key = test::make_key(false);
  test::write_key(second.key, key.get());
  test::write_certificate(second.certificate, key.get());
  ServerTlsOptions options;
  options.certificates = {Certificates::get().ecdsa, Certificates::get().rsa, second};
  const auto tls = ServerTls::create(options);
  ASSERT_TRUE(tls.has_value());
  for (const auto& [suites, kind] : {std::pair{"ECDHE-ECDSA-AES128-GCM-SHA256", EVP_PKEY_EC},
                                     std::pair{"ECDHE-RSA-AES128-GCM-SHA256", EVP_PKEY_RSA}}) {
    SocketPair sockets = socket_pair();
    IoScratch scratch;
    Transport server(std::move(sockets.ours), scratch);
    server.start_tls(**tls, "");
    RawPeer client(std::move(sockets.theirs), RawPeer::Role::kTlsClient, TLS1_2_VERSION);
    SSL_set_cipher_list(client.ssl(), suites);
    ASSERT_TRUE(test::shake_hands(server, client));
    X509* certificate = SSL_get1_peer_certificate(client.ssl());
    EVP_PKEY* served = X509_get0_pubkey(certificate);
    EXPECT_EQ(EVP_PKEY_get_base_id(served), kind);
    EXPECT_EQ(EVP_PKEY_eq(served, key.get()), kind == EVP_PKEY_EC ? 0 : -1);
    X509_free(certificate);
  }
}

TEST(ServerTls, OldVersionsAreRefused) {
  auto tls = make_server_tls();
  SocketPair sockets = socket_pair();
  IoScratch scratch;
  Transport server(std::move(sockets.ours), scratch);
  server.start_tls(*tls, "");
  RawPeer client(std::move(sockets.theirs), RawPeer::Role::kTlsClient, TLS1_1_VERSION);
  SSL_set_security_level(client.ssl(), 0);
  SSL_set_cipher_list(client.ssl(), "ALL:@SECLEVEL=0");
  EXPECT_FALSE(test::shake_hands(server, client));
  EXPECT_FALSE(server.error().empty());
}

class Resumption : public testing::TestWithParam<int> {};
INSTANTIATE_TEST_SUITE_P(Versions, Resumption, testing::Values(TLS1_2_VERSION, TLS1_3_VERSION));

TEST_P(Resumption, ATicketOfOneWorkerOpensOnAnother) {
  const auto keys = make_ticket_keys();
  SSL_SESSION* session = nullptr;
  for (int worker = 0; worker < 2; ++worker) {
    auto tls = make_server_tls(keys);
    SocketPair sockets = socket_pair();
    IoScratch scratch;
    Transport server(std::move(sockets.ours), scratch);
    server.start_tls(*tls, "* OK hello\r\n");
    RawPeer client(std::move(sockets.theirs), RawPeer::Role::kTlsClient, GetParam(), session);
    ASSERT_TRUE(test::shake_hands(server, client));
    server.flush();
    EXPECT_EQ(client.read(), "* OK hello\r\n");
    EXPECT_EQ(server.tls_resumed(), worker == 1);
    SSL_SESSION_free(session);
    session = SSL_get1_session(client.ssl());
    client.close_notify();  // without it OpenSSL takes the session for a bad one
  }
  SSL_SESSION_free(session);
}

TEST_P(Resumption, WithoutTicketsThereIsNone) {
  auto tls = make_server_tls(make_ticket_keys(), 0);
  SocketPair sockets = socket_pair();
  IoScratch scratch;
  Transport server(std::move(sockets.ours), scratch);
  server.start_tls(*tls, "* OK hello\r\n");
  RawPeer client(std::move(sockets.theirs), RawPeer::Role::kTlsClient, GetParam());
  ASSERT_TRUE(test::shake_hands(server, client));
  server.flush();
  client.read();
  EXPECT_EQ(SSL_SESSION_has_ticket(SSL_get_session(client.ssl())), 0);
}

TEST(ClientTls, VerifiesTheHostName) {
  auto server_tls = make_server_tls();
  auto client_tls = make_client_tls();
  const Handshake good(*server_tls, *client_tls, "mail.example.org");
  EXPECT_TRUE(good.succeeded) << good.client->error();
  EXPECT_EQ(good.server->server_name(), "mail.example.org");
  const Handshake bad(*server_tls, *client_tls, "other.example.org");
  EXPECT_FALSE(bad.succeeded);
  EXPECT_THAT(bad.client->error(), HasSubstr("hostname mismatch"));
  EXPECT_THAT(bad.server->error(), HasSubstr("alert"));
}

TEST(ClientTls, VerifiesAnAddressAndSendsNoNameForIt) {
  auto server_tls = make_server_tls();
  auto client_tls = make_client_tls();
  const Handshake good(*server_tls, *client_tls, "127.0.0.1");
  EXPECT_TRUE(good.succeeded) << good.client->error();
  EXPECT_EQ(good.server->server_name(), "");
  const Handshake bad(*server_tls, *client_tls, "::1");
  EXPECT_FALSE(bad.succeeded);
  EXPECT_THAT(bad.client->error(), HasSubstr("IP address mismatch"));
}

TEST(ClientTls, AnUnknownAuthorityIsRefusedUnlessVerificationIsOff) {
  auto server_tls = make_server_tls();
  ClientTlsOptions options;
  options.ca_file = Certificates::get().rsa.certificate;
  auto other = ClientTls::create(options);
  ASSERT_TRUE(other.has_value());
  const Handshake bad(*server_tls, **other, "mail.example.org");
  EXPECT_FALSE(bad.succeeded);
  EXPECT_THAT(bad.client->error(), HasSubstr("self-signed"));
  options.verify = false;
  auto trusting = ClientTls::create(options);
  ASSERT_TRUE(trusting.has_value());
  const Handshake any(*server_tls, **trusting, "other.example.org");
  EXPECT_TRUE(any.succeeded) << any.client->error();
}

TEST(ClientTls, MayHaveACertificateOfItsOwnWhoseFilesAreNamedWhenBad) {
  ClientTlsOptions options;
  options.verify = false;
  options.certificate = Certificates::get().ecdsa;
  EXPECT_TRUE(ClientTls::create(options).has_value());
  options.certificate->key = "/nowhere/client.key";
  EXPECT_THAT(ClientTls::create(options).error(), HasSubstr("/nowhere/client.key"));
}

TEST(ClientTls, ABadAuthorityFileIsNamed) {
  ClientTlsOptions options;
  options.ca_file = "/nowhere/ca.pem";
  EXPECT_THAT(ClientTls::create(options).error(), HasSubstr("/nowhere/ca.pem"));
}

TEST(ClientTls, ResumesWithTheSameServerNameOnly) {
  auto server_tls = make_server_tls(make_ticket_keys());
  auto client_tls = make_client_tls();
  EXPECT_FALSE(Handshake(*server_tls, *client_tls, "mail.example.org").client->tls_resumed());
  EXPECT_TRUE(Handshake(*server_tls, *client_tls, "mail.example.org").client->tls_resumed());
  EXPECT_FALSE(Handshake(*server_tls, *client_tls, "localhost").client->tls_resumed());
}

TEST(ClientTls, AConnectionMayOutliveItsContextAndStillGetTickets) {
  auto server_tls = make_server_tls(make_ticket_keys());
  auto client_tls = make_client_tls();
  Handshake pair(*server_tls, *client_tls, "mail.example.org");
  ASSERT_TRUE(pair.succeeded);
  client_tls.reset();
  server_tls.reset();
  EXPECT_EQ(pair.server->write("hello").want, Want::kNone);
  std::vector<char> room(100);
  EXPECT_EQ(pair.client->read(room).bytes, 5U);
}

}  // namespace
}  // namespace headgate::net
