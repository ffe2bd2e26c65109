#include <gtest/gtest.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "relay_harness.h"

// What a steady exchange costs in system calls. The program's own recv() and send() stand before
// the C library's and count.

namespace {

int receives = 0;
int sends = 0;

}  // namespace

extern "C" ssize_t recv(int fd, void* into, std::size_t size, int flags) {
  ++receives;
  return ::syscall(SYS_recvfrom, fd, into, size, flags, nullptr, nullptr);
}

extern "C" ssize_t send(int fd, const void* from, std::size_t size, int flags) {
  ++sends;
  return ::syscall(SYS_sendto, fd, from, size, flags, nullptr, 0);
}

namespace headgate::relay {
namespace {

using namespace test;

class SystemCalls : public testing::TestWithParam<Kinds>, protected RelayHarness {
 protected:
  // The calls of one turn of the relay alone.
  void expect_turn(int expected_receives, int expected_sends) {
    receives = 0;
    sends = 0;
    ASSERT_TRUE(turn());
    EXPECT_EQ(receives, expected_receives);
    EXPECT_EQ(sends, expected_sends);
  }
};

INSTANTIATE_TEST_SUITE_P(Kinds, SystemCalls,
                         testing::Values(std::pair{Kind::kPlain, Kind::kPlain},
                                         std::pair{Kind::kTls13, Kind::kPlain},
                                         std::pair{Kind::kTls12, Kind::kPlain},
                                         std::pair{Kind::kTls13, Kind::kTls13}),
                         [](const auto& chosen) { return name_of(chosen.param); });

TEST_P(SystemCalls, AnExchangeTakesOneReceiveAndOneSendInEachDirection) {
  connect(GetParam());
  for (int i = 0; i < 5; ++i) {
    client->write("a NOOP\r\n");
    expect_turn(1, 1);
    backend->read();
    backend->write("a OK\r\n");
    expect_turn(1, 1);
    client->read();
  }
}

TEST_P(SystemCalls, RecordsThatCameTogetherLeaveTogether) {
  connect(GetParam());
  for (int i = 0; i < 10; ++i) {
    client->write("a FETCH 1 RFC822\r\n");
  }
  expect_turn(1, 1);
  EXPECT_EQ(backend->read().size(), 180U);
}

TEST_P(SystemCalls, AReplyOfSeveralRecordsLeavesInOneSend) {
  BufferPool larger(65536, 4);
  connect(GetParam());
  relay = std::make_unique<Relay>(*client_transport, *backend_transport, larger, pipes);
  for (int i = 0; i < 3; ++i) {
    ASSERT_EQ(backend->write(random_bytes(16000)), 16000U);
  }
  receives = 0;
  sends = 0;
  turn();
  EXPECT_EQ(sends, 1);
  EXPECT_EQ(client->read().size(), 48000U);
  relay.reset();  // before its buffers
}

using Splice = SystemCalls;

INSTANTIATE_TEST_SUITE_P(Kinds, Splice, testing::Values(std::pair{Kind::kPlain, Kind::kPlain}),
                         [](const auto& chosen) { return name_of(chosen.param); });

TEST_P(Splice, BulkToAClientWithoutTlsIsNotCopied) {
  connect(GetParam(), 1 << 20);
  const std::string bytes = random_bytes(4'000'000);
  int copies = 0;  // the peers' own calls do not count
  std::size_t sent = 0;
  std::string got;
  for (int round = 0; round < 10000 && got.size() < bytes.size(); ++round) {
    sent += backend->write(std::string_view(bytes).substr(sent));
    receives = 0;
    sends = 0;
    turn();
    copies += receives + sends;
    got += client->read();
  }
  EXPECT_TRUE(got == bytes);
  // But for what begins and ends it; copied, it would be 488.
  EXPECT_LT(copies, 20);
  EXPECT_EQ(pipes.in_use(), 0U);
  EXPECT_EQ(relay->bytes_to_client(), bytes.size());
  backend->write("a OK\r\n");
  settle();
  const Tail tail = relay->tail_to_client();
  EXPECT_FALSE(tail.whole);
  EXPECT_TRUE(tail.bytes.ends_with("a OK\r\n"));
  EXPECT_TRUE((bytes + "a OK\r\n").ends_with(tail.bytes)) << "nothing older passes for the tail";
}

TEST_P(Splice, WithoutAPipeToHaveBulkIsCopied) {
  connect(GetParam(), 1 << 20);
  std::vector<net::SplicePipes::Pipe> taken;
  for (std::size_t i = 0; i < net::SplicePipes::kMost; ++i) {
    taken.push_back(pipes.take());
    ASSERT_NE(taken.back(), nullptr);
  }
  EXPECT_EQ(pipes.take(), nullptr);
  const std::string bytes = random_bytes(500'000);
  std::size_t sent = 0;
  std::string got;
  for (int round = 0; round < 10000 && got.size() < bytes.size(); ++round) {
    sent += backend->write(std::string_view(bytes).substr(sent));
    turn();
    got += client->read();
  }
  EXPECT_TRUE(got == bytes);
}

TEST_P(Splice, WhatAClientThatWentAwayDidNotTakeIsSeenByNobodyElse) {
  connect(GetParam(), 100'000);
  std::size_t sent = 0;
  const std::string bytes = random_bytes(1'000'000);
  for (int round = 0; round < 10; ++round) {
    sent += backend->write(std::string_view(bytes).substr(sent));
    settle();
  }
  ASSERT_EQ(pipes.in_use(), 1U);  // the client does not read, and the pipe is full
  client.reset();
  settle();
  EXPECT_EQ(pipes.in_use(), 0U);
  EXPECT_EQ(pipes.take()->bytes(), 0U);
}

}  // namespace
}  // namespace headgate::relay
