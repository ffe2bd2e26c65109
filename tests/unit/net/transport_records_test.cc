// Transport after take_over_records(); what it has in common with OpenSSL's is in
// transport_test.cc.

#include <gtest/gtest.h>

#include <array>
#include <vector>

#include "net/transport.h"
#include "raw_peer.h"

namespace headgate::net {
namespace {

using test::make_client_tls;
using test::make_server_tls;
using test::random_bytes;
using test::RawPeer;
using test::socket_pair;
using test::SocketPair;

struct Read {
  std::string text;
  Want want = Want::kNone;
};

Read read_all(Transport& transport, std::size_t step = 65536) {
  Read all;
  std::vector<char> room(step);
  while (all.want == Want::kNone) {
    const IoResult got = transport.read(room);
    all.text.append(room.data(), got.bytes);
    all.want = got.want;
  }
  return all;
}

std::unique_ptr<ServerTls> server_tls(TlsPolicy policy) {
  ServerTlsOptions options;
  options.policy = std::move(policy);
  options.certificates = {test::Certificates::get().ecdsa};
  auto made = ServerTls::create(options);
  EXPECT_TRUE(made.has_value()) << made.error();
  return std::move(*made);
}

// Two transports, the handshake behind them.
struct Two {
  explicit Two(TlsPolicy policy = {}) : server_context(server_tls(std::move(policy))) {
    SocketPair sockets = socket_pair();
    server = std::make_unique<Transport>(std::move(sockets.ours), scratch);
    client = std::make_unique<Transport>(std::move(sockets.theirs), scratch);
    server->start_tls(*server_context, "* OK hello\r\n");
    client->start_tls(*client_context, "localhost");
    bool done = false;
    for (int turn = 0; turn < 20 && !done; ++turn) {
      const bool client_done = client->handshake().want == Want::kNone;
      done = server->handshake().want == Want::kNone && client_done;
    }
    EXPECT_TRUE(done) << client->error() << server->error();
    EXPECT_EQ(read_all(*client).text, "* OK hello\r\n");
  }
  std::unique_ptr<ServerTls> server_context;
  std::unique_ptr<ClientTls> client_context = make_client_tls();
  IoScratch scratch;
  std::unique_ptr<Transport> server;
  std::unique_ptr<Transport> client;
};

// A transport with OpenSSL's client at the other end, before anything is taken over.
struct Before {
  Before() {
    transport.start_tls(*tls, "");
    EXPECT_TRUE(test::shake_hands(transport, client));
  }
  std::unique_ptr<ServerTls> tls = make_server_tls();
  IoScratch scratch;
  SocketPair sockets = socket_pair();
  Transport transport{std::move(sockets.ours), scratch};
  RawPeer client{std::move(sockets.theirs), RawPeer::Role::kTlsClient, TLS1_3_VERSION};
};

TEST(OwnRecords, EverySuiteIsSpokenOnBothSides) {
  for (const std::string suite :
       {"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"}) {
    for (const auto& [by_server, by_client] :
         {std::pair{true, true}, {true, false}, {false, true}}) {
      Two two({.cipher_suites = suite});
      EXPECT_EQ(by_server, by_server && two.server->take_over_records());
      EXPECT_EQ(by_client, by_client && two.client->take_over_records());
      EXPECT_EQ(two.server->tls_cipher(), suite);
      EXPECT_EQ(two.client->tls_cipher(), suite);
      EXPECT_EQ(two.server->tls_version(), "TLSv1.3");
      for (const std::size_t size : {1UL, 100UL, 4095UL, 4096UL, 16384UL, 16385UL, 60000UL}) {
        const std::string there = random_bytes(size);
        const std::string back = random_bytes(size + 1);
        ASSERT_EQ(two.server->write(there).bytes, size);
        ASSERT_EQ(two.client->write(back).bytes, size + 1);
        EXPECT_TRUE(read_all(*two.client).text == there) << suite << " " << size;
        EXPECT_TRUE(read_all(*two.server).text == back) << suite << " " << size;
      }
    }
  }
}

TEST(OwnRecords, WhatCameBehindTheHandshakeIsRead) {
  Two two;
  ASSERT_EQ(two.client->write("a LOGIN u p\r\n").want, Want::kNone);
  ASSERT_EQ(read_all(*two.server).text, "a LOGIN u p\r\n");
  ASSERT_EQ(two.server->write("a OK\r\n").want, Want::kNone);
  ASSERT_EQ(two.client->write("b NOOP\r\n").want, Want::kNone);
  ASSERT_TRUE(two.server->take_over_records());
  EXPECT_EQ(read_all(*two.server).text, "b NOOP\r\n");
  EXPECT_EQ(two.server->write("b OK\r\n").want, Want::kNone);
  EXPECT_EQ(read_all(*two.client).text, "a OK\r\nb OK\r\n");
}

TEST(OwnRecords, ARecordUnderWayStaysWithOpenssl) {
  for (const std::size_t cut : {1UL, 4UL, 5UL, 6UL, 20UL}) {
    auto tls = make_server_tls();
    IoScratch scratch;
    SocketPair front = socket_pair();
    SocketPair behind =
        socket_pair();  // the client writes to one, and we hand on as much as we like
    Transport transport(std::move(front.ours), scratch);
    transport.start_tls(*tls, "");
    RawPeer client(std::move(behind.ours), RawPeer::Role::kTlsClient, TLS1_3_VERSION);
    std::vector<char> bytes(100000);
    const auto pass = [&](int from, int to, std::size_t most) {
      const ssize_t got = ::recv(from, bytes.data(), most, 0);
      return got > 0 && ::send(to, bytes.data(), static_cast<std::size_t>(got), 0) == got;
    };
    for (int turn = 0; turn < 6; ++turn) {
      client.handshake();
      pass(behind.theirs.get(), front.theirs.get(), bytes.size());
      transport.handshake();
      pass(front.theirs.get(), behind.theirs.get(), bytes.size());
    }
    ASSERT_GT(client.write("a NOOP\r\n"), 0U);
    ASSERT_TRUE(pass(behind.theirs.get(), front.theirs.get(), cut));
    EXPECT_EQ(read_all(transport).text, "");
    const bool taken = transport.take_over_records();
    pass(behind.theirs.get(), front.theirs.get(), bytes.size());
    EXPECT_EQ(read_all(transport).text, "a NOOP\r\n") << cut << (taken ? " taken over" : " left");
    EXPECT_TRUE(transport.take_over_records() || taken);
    ASSERT_GT(client.write("b NOOP\r\n"), 0U);
    pass(behind.theirs.get(), front.theirs.get(), bytes.size());
    EXPECT_EQ(read_all(transport).text, "b NOOP\r\n") << cut;
  }
}

TEST(OwnRecords, NotForTls12NorForAContextThatDoesNotAllowIt) {
  for (const TlsPolicy& policy : {TlsPolicy{.own_records = false}, TlsPolicy{}}) {
    auto tls = server_tls(policy);
    IoScratch scratch;
    SocketPair sockets = socket_pair();
    Transport transport(std::move(sockets.ours), scratch);
    EXPECT_FALSE(transport.take_over_records());
    transport.start_tls(*tls, "");
    EXPECT_FALSE(transport.take_over_records());
    RawPeer client(std::move(sockets.theirs), RawPeer::Role::kTlsClient,
                   policy.own_records ? TLS1_2_VERSION : TLS1_3_VERSION);
    ASSERT_TRUE(test::shake_hands(transport, client));
    EXPECT_FALSE(transport.take_over_records());
    EXPECT_EQ(transport.write("as before").want, Want::kNone);
    EXPECT_EQ(client.read(), "as before");
  }
}

TEST(OwnRecords, KeysThatWereUpdatedBeforeStayWithOpenssl) {
  Before before;
  Transport& transport = before.transport;
  RawPeer& client = before.client;
  SSL_key_update(client.ssl(), SSL_KEY_UPDATE_NOT_REQUESTED);
  ASSERT_GT(client.write("x"), 0U);
  EXPECT_EQ(read_all(transport).text, "x");
  EXPECT_FALSE(transport.take_over_records());
  ASSERT_GT(client.write("y"), 0U);
  EXPECT_EQ(read_all(transport).text, "y");
}

TEST(OwnRecords, ASessionCanBeResumedAfterwards) {
  auto keys = make_ticket_keys();
  auto tls = make_server_tls(keys);
  IoScratch scratch;
  SSL_SESSION* session = nullptr;
  for (const bool again : {false, true}) {
    SocketPair sockets = socket_pair();
    Transport transport(std::move(sockets.ours), scratch);
    transport.start_tls(*tls, "");
    RawPeer client(std::move(sockets.theirs), RawPeer::Role::kTlsClient, TLS1_3_VERSION, session);
    ASSERT_TRUE(test::shake_hands(transport, client));
    ASSERT_TRUE(transport.take_over_records());
    EXPECT_EQ(transport.tls_resumed(), again);
    EXPECT_EQ(transport.write("words").want, Want::kNone);
    EXPECT_EQ(client.read(), "words");
    SSL_SESSION_free(session);
    session = SSL_get1_session(client.ssl());
    EXPECT_EQ(transport.shutdown_write().want, Want::kNone);
    client.read();
    EXPECT_TRUE(client.saw_end());
    client.close_notify();  // without it OpenSSL takes the session for a bad one
  }
  SSL_SESSION_free(session);
}

TEST(OwnRecords, AChangedByteIsFoundAndThePeerIsTold) {
  SocketPair front = socket_pair();
  SocketPair behind = socket_pair();
  auto tls = make_server_tls();
  IoScratch scratch;
  Transport transport(std::move(front.ours), scratch);
  transport.start_tls(*tls, "");
  RawPeer client(std::move(behind.ours), RawPeer::Role::kTlsClient, TLS1_3_VERSION);
  std::vector<char> bytes(100000);
  const auto pass = [&](int from, int to, std::size_t flip) {
    const ssize_t got = ::recv(from, bytes.data(), bytes.size(), 0);
    if (flip != 0) {
      bytes[flip] = static_cast<char>(bytes[flip] ^ 1);
    }
    return got > 0 && ::send(to, bytes.data(), static_cast<std::size_t>(got), 0) == got;
  };
  for (int turn = 0; turn < 6; ++turn) {
    client.handshake();
    pass(behind.theirs.get(), front.theirs.get(), 0);
    transport.handshake();
    pass(front.theirs.get(), behind.theirs.get(), 0);
  }
  ASSERT_TRUE(transport.take_over_records());
  ASSERT_GT(client.write("a NOOP\r\n"), 0U);
  ASSERT_TRUE(pass(behind.theirs.get(), front.theirs.get(), 9));
  const Read got = read_all(transport);
  EXPECT_EQ(got.text, "");
  EXPECT_EQ(got.want, Want::kFailed);
  EXPECT_FALSE(transport.truncated());
  EXPECT_EQ(transport.error(), "TLS record with a bad authentication tag");
  EXPECT_EQ(transport.write("x").want, Want::kFailed);
  ASSERT_TRUE(pass(front.theirs.get(), behind.theirs.get(), 0));
  client.read();
  EXPECT_TRUE(client.saw_error());
  EXPECT_EQ(ERR_GET_REASON(ERR_peek_last_error()), SSL_AD_REASON_OFFSET + SSL_AD_BAD_RECORD_MAC);
}

TEST(OwnRecords, AFloodOfKeyUpdatesMakesUsSayNothingBeforeWeSpeak) {
  Before before;
  Transport& transport = before.transport;
  RawPeer& client = before.client;
  ASSERT_TRUE(transport.take_over_records());
  EXPECT_EQ(transport.flush().want, Want::kNone);
  EXPECT_EQ(client.read(), "");  // the ticket
  for (int i = 0; i < 1000; ++i) {
    SSL_key_update(client.ssl(), SSL_KEY_UPDATE_REQUESTED);
    ASSERT_GT(client.write("x"), 0U);
    ASSERT_EQ(read_all(transport).text, "x");
  }
  char none = 0;
  EXPECT_EQ(::recv(client.fd(), &none, 1, MSG_PEEK), -1);
  EXPECT_EQ(transport.write("one answer for all").want, Want::kNone);
  EXPECT_EQ(client.read(), "one answer for all");
}

}  // namespace
}  // namespace headgate::net
