#include "net/channel_bindings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "net/transport.h"
#include "raw_peer.h"

namespace headgate::net {
namespace {

using testing::Contains;
using testing::IsEmpty;
using testing::SizeIs;

using Ssl = std::unique_ptr<SSL, decltype(&SSL_free)>;
using Context = std::unique_ptr<SSL_CTX, decltype(&SSL_CTX_free)>;
using Kept = std::unique_ptr<SSL_SESSION, decltype(&SSL_SESSION_free)>;

std::string first_finished(SSL* ssl, bool ours) {
  std::string bytes(EVP_MAX_MD_SIZE, '\0');
  bytes.resize(ours ? SSL_get_finished(ssl, bytes.data(), bytes.size())
                    : SSL_get_peer_finished(ssl, bytes.data(), bytes.size()));
  return bytes;
}

std::string exported(SSL* ssl) {
  std::string bytes(32, '\0');
  EXPECT_EQ(SSL_export_keying_material(ssl, reinterpret_cast<unsigned char*>(bytes.data()), 32,
                                       "EXPORTER-Channel-Binding", 24, nullptr, 0, 0),
            1);
  return bytes;
}

// Both ends of a connection of this version; the client's options say what it is not able to.
struct Pair {
  Pair(SSL_CTX* server_context, int version, std::uint64_t options = 0,
       SSL_SESSION* session = nullptr)
      : context(SSL_CTX_new(TLS_client_method()), &SSL_CTX_free) {
    SSL_CTX_set_min_proto_version(context.get(), version);
    SSL_CTX_set_max_proto_version(context.get(), version);
    SSL_CTX_set_options(context.get(), options);
    client.reset(SSL_new(context.get()));
    server.reset(SSL_new(server_context));
    BIO* near = nullptr;
    BIO* far = nullptr;
    BIO_new_bio_pair(&near, 0, &far, 0);
    SSL_set_bio(client.get(), near, near);
    SSL_set_bio(server.get(), far, far);
    if (session != nullptr) {
      SSL_set_session(client.get(), session);
    }
    SSL_set_connect_state(client.get());
    SSL_set_accept_state(server.get());
    for (int turn = 0; turn < 20; ++turn) {
      ERR_clear_error();
      SSL_do_handshake(client.get());
      SSL_do_handshake(server.get());
    }
    EXPECT_TRUE(SSL_is_init_finished(client.get()) && SSL_is_init_finished(server.get()));
  }
  [[nodiscard]] ChannelBindings bindings() const { return channel_bindings(server.get()); }

  Context context;
  Ssl client{nullptr, &SSL_free};
  Ssl server{nullptr, &SSL_free};
};

std::string hash_of(const std::string& file) {
  std::FILE* opened = std::fopen(file.c_str(), "r");
  X509* certificate = PEM_read_X509(opened, nullptr, nullptr, nullptr);
  std::fclose(opened);
  std::string bytes(32, '\0');
  X509_digest(certificate, EVP_sha256(), reinterpret_cast<unsigned char*>(bytes.data()), nullptr);
  X509_free(certificate);
  return bytes;
}

TEST(ChannelBindings, UnderTls13TheExporterIsThere) {
  const auto tls = test::make_server_tls();
  const Pair pair(tls->raw(), TLS1_3_VERSION);
  const ChannelBindings found = pair.bindings();
  EXPECT_EQ(found.exporter, exported(pair.client.get()));
  EXPECT_THAT(found.unique, IsEmpty()) << "TLS 1.3 has none";
  EXPECT_THAT(found.end_points, Contains(hash_of(test::Certificates::get().ecdsa.certificate)));
}

TEST(ChannelBindings, UnderTls12AnExtendedMasterSecretIsNeeded) {
  const auto tls = test::make_server_tls();
  const Pair pair(tls->raw(), TLS1_2_VERSION);
  EXPECT_EQ(pair.bindings().exporter, exported(pair.client.get()));
  EXPECT_EQ(pair.bindings().unique, first_finished(pair.client.get(), true));

  const Pair old(tls->raw(), TLS1_2_VERSION, SSL_OP_NO_EXTENDED_MASTER_SECRET);
  EXPECT_THAT(old.bindings().exporter, IsEmpty());
  EXPECT_THAT(old.bindings().unique, IsEmpty());
  EXPECT_THAT(old.bindings().end_points, SizeIs(2)) << "which needs nothing";
  EXPECT_TRUE(old.bindings().any());
}

TEST(ChannelBindings, TheServerSpeaksFirstToFinishWhatIsResumed) {
  const auto tls = test::make_server_tls(make_ticket_keys());
  const Pair first(tls->raw(), TLS1_2_VERSION);
  const Kept session(SSL_get1_session(first.client.get()), &SSL_SESSION_free);
  const Pair second(tls->raw(), TLS1_2_VERSION, 0, session.get());
  ASSERT_EQ(SSL_session_reused(second.client.get()), 1);
  const std::string unique = second.bindings().unique;
  EXPECT_EQ(unique, first_finished(second.client.get(), false));
  EXPECT_NE(unique, first.bindings().unique);
}

TEST(ChannelBindings, ACertificateWithoutAHashOfItsOwnLeavesOldConnectionsUnbound) {
  const test::TemporaryDirectory directory;
  const test::Key key(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"), &EVP_PKEY_free);
  ServerTlsOptions options;
  options.certificates = {{directory.file("ed.pem"), directory.file("ed.key")}};
  test::write_key(options.certificates[0].key, key.get());
  test::write_certificate(options.certificates[0].certificate, key.get());
  const auto made = ServerTls::create(options);
  ASSERT_TRUE(made.has_value()) << made.error();
  EXPECT_FALSE((*made)->always_bound());
  const Pair old((*made)->raw(), TLS1_2_VERSION, SSL_OP_NO_EXTENDED_MASTER_SECRET);
  EXPECT_FALSE(old.bindings().any());
  EXPECT_TRUE(Pair((*made)->raw(), TLS1_2_VERSION).bindings().any());
  EXPECT_TRUE(Pair((*made)->raw(), TLS1_3_VERSION).bindings().any());

  options.policy.minimum_version = "1.3";
  EXPECT_TRUE((*ServerTls::create(options))->always_bound());
  EXPECT_TRUE(test::make_server_tls()->always_bound());
}

}  // namespace
}  // namespace headgate::net
