// That our side of a handshake, with the keys, the exchange, the key schedule and the HMAC of our
// own, is understood by an OpenSSL without any of it.

#include <gtest/gtest.h>

#include <array>
#include <string>
#include <tuple>

#include "raw_peer.h"

namespace headgate::net {
namespace {

using namespace test;

std::string read_all(Transport& transport) {
  std::string all;
  std::array<char, 4096> bytes;
  for (;;) {
    const IoResult result = transport.read(bytes);
    all.append(bytes.data(), result.bytes);
    if (result.want != Want::kNone) {
      return all;
    }
  }
}

struct Case {
  const char* name;
  int version;
  const char* groups;   // of the other side
  const char* ciphers;  // of TLS 1.2 there; null: its default
  unsigned long options = 0;
  int group = 0;  // that it must come to
};

class Handshake : public testing::TestWithParam<std::tuple<Case, bool>> {};

TEST_P(Handshake, IsUnderstoodByAnOpensslOfItsOwn) {
  const auto& [how, we_serve] = GetParam();
  const auto server_tls = make_server_tls();
  const auto client_tls = std::move(ClientTls::create({.verify = false}).value());
  IoScratch scratch;
  SocketPair sockets = socket_pair();
  Transport ours(std::move(sockets.ours), scratch);
  RawPeer theirs(std::move(sockets.theirs),
                 we_serve ? RawPeer::Role::kTlsClient : RawPeer::Role::kTlsServer, how.version);
  ASSERT_EQ(SSL_set1_groups_list(theirs.ssl(), how.groups), 1);
  if (how.ciphers != nullptr) {
    ASSERT_EQ(SSL_set_cipher_list(theirs.ssl(), how.ciphers), 1);
  }
  SSL_set_options(theirs.ssl(), how.options);
  if (we_serve) {
    ours.start_tls(*server_tls, "* OK ready\r\n");
  } else {
    ours.start_tls(*client_tls, "localhost");
  }
  ASSERT_TRUE(shake_hands(ours, theirs)) << ours.error();
  EXPECT_EQ(SSL_get_negotiated_group(theirs.ssl()), how.group);
  const std::string there = random_bytes(3000);
  const std::string back = random_bytes(5000);
  ASSERT_EQ(ours.write(there).bytes, there.size());
  EXPECT_EQ(theirs.read(), (we_serve ? "* OK ready\r\n" : "") + there);
  ASSERT_EQ(theirs.write(back), back.size());
  EXPECT_EQ(read_all(ours), back);
}

// That of the certificate must be among them (RFC 8422, section 5.1.1).
constexpr const char* kBoth = "X25519:P-256";
constexpr const char* kSha256Cbc = "ECDHE-ECDSA-AES128-SHA256";
constexpr const char* kSha384Cbc = "ECDHE-ECDSA-AES256-SHA384";
constexpr const char* kSha1Cbc = "ECDHE-ECDSA-AES128-SHA";

INSTANTIATE_TEST_SUITE_P(
    All, Handshake,
    testing::Combine(
        testing::Values(Case{"X25519", TLS1_3_VERSION, "X25519", nullptr, 0, NID_X25519},
                        Case{"P256", TLS1_3_VERSION, "P-256", nullptr, 0, NID_X9_62_prime256v1},
                        Case{"P521", TLS1_3_VERSION, "P-521", nullptr, 0, NID_secp521r1},
                        Case{"X25519Tls12", TLS1_2_VERSION, "X25519", nullptr, 0, NID_X25519},
                        Case{"P256Tls12", TLS1_2_VERSION, "P-256", nullptr, 0,
                             NID_X9_62_prime256v1},
                        Case{"CbcSha256", TLS1_2_VERSION, kBoth, kSha256Cbc, 0, NID_X25519},
                        Case{"CbcSha384", TLS1_2_VERSION, kBoth, kSha384Cbc, 0, NID_X25519},
                        Case{"CbcSha1", TLS1_2_VERSION, "P-256", kSha1Cbc, 0, NID_X9_62_prime256v1},
                        Case{"MacThenEncryptSha256", TLS1_2_VERSION, kBoth, kSha256Cbc,
                             SSL_OP_NO_ENCRYPT_THEN_MAC, NID_X25519},
                        Case{"MacThenEncryptSha1", TLS1_2_VERSION, kBoth, kSha1Cbc,
                             SSL_OP_NO_ENCRYPT_THEN_MAC, NID_X25519}),
        testing::Bool()),
    [](const auto& chosen) {
      return std::string(std::get<0>(chosen.param).name) +
             (std::get<1>(chosen.param) ? "Serving" : "Asking");
    });

// The key share that comes first is of a group that the server does not take, so it asks for one of
// X25519 (RFC 8446, section 4.1.4).
TEST(HandshakeRetry, ServesTheGroupThatItAskedFor) {
  ServerTlsOptions options;
  options.policy.groups = "X25519";
  options.certificates = {Certificates::get().ecdsa};
  const auto tls = std::move(ServerTls::create(options).value());
  IoScratch scratch;
  SocketPair sockets = socket_pair();
  Transport ours(std::move(sockets.ours), scratch);
  RawPeer theirs(std::move(sockets.theirs), RawPeer::Role::kTlsClient, TLS1_3_VERSION);
  ASSERT_EQ(SSL_set1_groups_list(theirs.ssl(), "P-384:X25519"), 1);
  ours.start_tls(*tls, "* OK ready\r\n");
  ASSERT_TRUE(shake_hands(ours, theirs)) << ours.error();
  EXPECT_EQ(SSL_get_negotiated_group(theirs.ssl()), NID_X25519);
  EXPECT_EQ(theirs.read(), "* OK ready\r\n");
}

TEST(HandshakeRetry, AsksForTheGroupThatTheServerWants) {
  const auto tls =
      std::move(ClientTls::create({.policy = {.groups = "P-384:X25519"}, .verify = false}).value());
  IoScratch scratch;
  SocketPair sockets = socket_pair();
  Transport ours(std::move(sockets.ours), scratch);
  RawPeer theirs(std::move(sockets.theirs), RawPeer::Role::kTlsServer, TLS1_3_VERSION);
  ASSERT_EQ(SSL_set1_groups_list(theirs.ssl(), "X25519"), 1);
  ours.start_tls(*tls, "localhost");
  ASSERT_TRUE(shake_hands(ours, theirs)) << ours.error();
  EXPECT_EQ(SSL_get_negotiated_group(theirs.ssl()), NID_X25519);
}

}  // namespace
}  // namespace headgate::net
