#include "relay/relay.h"

#include <gtest/gtest.h>
#include <linux/tcp.h>

#include <random>

#include "relay_harness.h"

namespace headgate::relay {
namespace {

using namespace test;

// Segments with data that a TCP connection has sent so far.
std::uint32_t data_segments(int fd) {
  tcp_info info{};
  socklen_t length = sizeof info;
  EXPECT_EQ(::getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length), 0);
  return info.tcpi_data_segs_out;
}

class RelayTest : public testing::TestWithParam<Kinds>, protected RelayHarness {};

INSTANTIATE_TEST_SUITE_P(
    Kinds, RelayTest,
    testing::Values(std::pair{Kind::kPlain, Kind::kPlain}, std::pair{Kind::kTls13, Kind::kPlain},
                    std::pair{Kind::kTls12, Kind::kPlain}, std::pair{Kind::kPlain, Kind::kTls13},
                    std::pair{Kind::kTls13, Kind::kTls13}, std::pair{Kind::kTls12, Kind::kTls12}),
    [](const auto& chosen) { return name_of(chosen.param); });

TEST_P(RelayTest, ACommandAndItsReplyPassAndNoMaskChanges) {
  connect(GetParam());
  for (int i = 0; i < 10; ++i) {
    client->write("a NOOP\r\n");
    ASSERT_TRUE(turn());
    EXPECT_FALSE(turn());
    EXPECT_EQ(status.interest.client, kReadable);
    EXPECT_EQ(status.interest.backend, kReadable);
    ASSERT_EQ(backend->read(), "a NOOP\r\n");
    backend->write("a OK\r\n");
    ASSERT_TRUE(turn());
    EXPECT_FALSE(turn());
    EXPECT_EQ(status.interest.client, kReadable);
    EXPECT_EQ(status.interest.backend, kReadable);
    ASSERT_EQ(client->read(), "a OK\r\n");
    EXPECT_EQ(pool.in_use(), 0U);
  }
  EXPECT_EQ(relay->bytes_to_backend(), 80U);
  EXPECT_EQ(relay->bytes_to_client(), 60U);
  EXPECT_EQ(relay->state_name(), "open/open");
}

TEST_P(RelayTest, WhatTheDialoguesLeftOverGoesFirstAndInOrder) {
  connect(GetParam());
  relay->prepend_to_backend("b SELECT ");
  relay->prepend_to_backend("INBOX\r\n");
  relay->prepend_to_client("* CAPABILITY IMAP4rev1\r\n");
  client->write("c NOOP\r\n");
  backend->write("* 1 EXISTS\r\n");
  status = relay->run(kReadable | kWritable | kHangup, kReadable | kWritable | kHangup);
  settle();
  EXPECT_EQ(backend->read(), "b SELECT INBOX\r\nc NOOP\r\n");
  EXPECT_EQ(client->read(), "* CAPABILITY IMAP4rev1\r\n* 1 EXISTS\r\n");
}

TEST_P(RelayTest, TheTailsAreTheLastThatEachSideGot) {
  connect(GetParam());
  EXPECT_TRUE(relay->tail_to_backend().whole);
  EXPECT_EQ(relay->tail_to_backend().bytes, "");
  client->write("a NOO");
  settle();
  client->write("P\r\n");
  backend->write("* 1 EXISTS\r\n");
  settle();
  EXPECT_TRUE(relay->client_has_all());
  EXPECT_EQ(relay->tail_to_backend().bytes, "a NOOP\r\n");
  EXPECT_TRUE(relay->tail_to_backend().whole);
  EXPECT_EQ(relay->tail_to_client().bytes, "* 1 EXISTS\r\n");
  const std::string bytes = random_bytes(1000);
  backend->write(bytes);
  settle();
  backend->write("a OK\r\n");
  settle();
  const Tail tail = relay->tail_to_client();
  EXPECT_FALSE(tail.whole);
  EXPECT_EQ(tail.bytes, (bytes + "a OK\r\n").substr(1006 - tail.bytes.size()));
  EXPECT_GE(tail.bytes.size(), 100U);
}

TEST_P(RelayTest, ASwitchIsNotedHoweverItIsCutOrWritten) {
  connect(GetParam());
  relay->expect_switch("EFLATE\r\n");
  backend->write("a COMPRESS DEFLATE\r\n");
  client->write("a COMPRESS DEFLATE \r\n");
  settle();
  EXPECT_FALSE(relay->switched());
  client->write("b NOOP\r\nc compress defl");
  settle();
  EXPECT_FALSE(relay->switched());
  client->write("ate\r\n");
  settle();
  EXPECT_TRUE(relay->switched());
  client->write("d NOOP\r\n");
  settle();
  EXPECT_TRUE(relay->switched());
}

TEST_P(RelayTest, RandomTrafficInBothDirectionsArrivesWhole) {
  connect(GetParam(), 8000);
  std::mt19937 random(7);
  const std::string to_backend = random_bytes(1'500'000);
  const std::string to_client = random_bytes(1'500'000);
  std::string backend_got;
  std::string client_got;
  std::size_t client_sent = 0;
  std::size_t backend_sent = 0;
  for (int round = 0; round < 100000 && (backend_got.size() < to_backend.size() ||
                                         client_got.size() < to_client.size());
       ++round) {
    switch (random() % 5) {
      case 0:
        client_sent += client->write(std::string_view(to_backend).substr(client_sent));
        break;
      case 1:
        backend_sent += backend->write(std::string_view(to_client).substr(backend_sent));
        break;
      case 2:
        backend_got += backend->read(random() % 40000 + 1);
        break;
      case 3:
        client_got += client->read(random() % 40000 + 1);
        break;
      default:
        turn();
    }
  }
  EXPECT_TRUE(backend_got == to_backend);
  EXPECT_TRUE(client_got == to_client);
  settle();
  EXPECT_EQ(pool.in_use(), 0U);
}

TEST_P(RelayTest, ASlowClientStopsTheBackendWithinTheMemoryBound) {
  connect(GetParam(), 8000);
  const std::string bytes = random_bytes(1'000'000);
  std::size_t sent = 0;
  // A first turn may find room in the kernel; then nothing moves any more.
  for (int i = 0; i < 300; ++i) {
    sent += backend->write(std::string_view(bytes).substr(sent));
    settle();
  }
  EXPECT_LT(sent, 200'000U);
  EXPECT_TRUE(relay->stalled());
  EXPECT_EQ(status.interest.client & kWritable, kWritable);
  EXPECT_EQ(status.interest.backend, kHangup);
  // The bound of docs/close-table.md: one buffer, as plain text or as records.
  EXPECT_LE(pool.in_use() * kBufferSize + client_transport->unsent(), kBufferSize + 2 * 100);
  // The other direction is not held up.
  client->write("DONE\r\n");
  settle();
  EXPECT_EQ(backend->read(), "DONE\r\n");
  std::string got;
  for (int round = 0; round < 100000 && got.size() < bytes.size(); ++round) {
    got += client->read();
    turn();
    sent += backend->write(std::string_view(bytes).substr(sent));
  }
  EXPECT_TRUE(got == bytes);
  EXPECT_FALSE(relay->stalled());
}

TEST_P(RelayTest, BytesLeftInsideTlsAreDeliveredThoughThePollIsSilent) {
  // More than a buffer, all of it in the process before the first write is taken.
  connect(GetParam());
  const std::string bytes = random_bytes(150'000);
  std::size_t sent = 0;
  std::string got;
  for (int round = 0; round < 10000 && got.size() < bytes.size(); ++round) {
    sent += client->write(std::string_view(bytes).substr(sent));
    settle();
    got += backend->read();
  }
  EXPECT_TRUE(got == bytes);
}

TEST_P(RelayTest, ABudgetEndsARunAndTheRestFollows) {
  connect(GetParam());
  const std::string bytes = random_bytes(4'000'000);
  std::size_t sent = 0;
  std::string got;
  for (int round = 0; round < 10000 && got.size() < bytes.size(); ++round) {
    const std::uint64_t before = relay->bytes_to_client();
    sent += backend->write(std::string_view(bytes).substr(sent));
    turn();
    EXPECT_LE(relay->bytes_to_client() - before, 512U * 1024 + kBufferSize);
    got += client->read();
  }
  EXPECT_TRUE(got == bytes);
}

TEST_P(RelayTest, ALastByeReachesTheClientBeforeTheEnd) {
  connect(GetParam());
  backend->write("* BYE shutting down\r\n");
  backend->end();
  settle();
  EXPECT_EQ(client->read(), "* BYE shutting down\r\n");
  EXPECT_TRUE(client->saw_end());
  EXPECT_EQ(relay->first_end(), End::kBackendClosed);
  EXPECT_TRUE(relay->half_closed());
  client->end();
  settle();
  EXPECT_EQ(status.end, End::kBackendClosed);
  EXPECT_FALSE(relay->half_closed());
}

TEST_P(RelayTest, ALastByeAndTheEndAreOneSegment) {
  connect(GetParam(), 0, true);
  const std::uint32_t before = data_segments(client_transport->fd());
  backend->write("* BYE logging out\r\na OK done\r\n");
  backend->end();
  ASSERT_TRUE(net::test::wait_for(backend_transport->fd(), POLLRDHUP));
  ASSERT_TRUE(turn());
  EXPECT_EQ(relay->first_end(), End::kBackendClosed);
  EXPECT_EQ(data_segments(client_transport->fd()), before + 1);
  ASSERT_TRUE(net::test::wait_for(client->fd(), POLLRDHUP));
  EXPECT_EQ(client->read(), "* BYE logging out\r\na OK done\r\n");
  EXPECT_TRUE(client->saw_end());
}

TEST_P(RelayTest, ALastByeIsNotKeptWhereTheEndIsNotPassedOn) {
  connect(GetParam(), 0, true);
  relay->hold_backend_end();
  backend->write("* OK one more\r\n");
  backend->end();
  ASSERT_TRUE(net::test::wait_for(backend_transport->fd(), POLLRDHUP));
  ASSERT_TRUE(turn());
  EXPECT_TRUE(status.backend_ended);
  client_transport->push();
  ASSERT_TRUE(net::test::wait_for(client->fd(), POLLIN));
  EXPECT_EQ(client->read(), "* OK one more\r\n");
  EXPECT_FALSE(client->saw_end());
}

TEST_P(RelayTest, ALastByeReachesTheClientThoughItsOwnCommandFindsTheBackendGone) {
  connect(GetParam(), 0, true);
  backend->write("* BYE shutting down\r\n");
  backend->close();
  client->write("a NOOP\r\n");
  ASSERT_TRUE(net::test::wait_for(client_transport->fd(), POLLIN));
  // The command is read, and written into a connection that is gone, before the BYE is.
  relay->run(kReadable, 0);
  client->write("b NOOP\r\n");
  ASSERT_TRUE(net::test::wait_for(client_transport->fd(), POLLIN));
  status = relay->run(kReadable, 0);
  settle();
  ASSERT_TRUE(net::test::wait_for(client->fd(), POLLIN));
  EXPECT_EQ(client->read(), "* BYE shutting down\r\n");
}

}  // namespace
}  // namespace headgate::relay
