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
  relay = std::make_unique<Relay>(*client_transport, *backend_transport, larger);
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

}  // namespace
}  // namespace headgate::relay
