#include "admin/connections.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <array>
#include <string>
#include <vector>

#include "base/unique_fd.h"

namespace headgate::admin {
namespace {

using namespace std::chrono_literals;

class ConnectionsTest : public testing::Test {
 protected:
  // One that came now.
  Connection& add(Phase phase = Phase::kReading, const std::string& peer = "127.0.0.1") {
    std::array<int, 2> ends{};
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()), 0);
    ours_.emplace_back(ends[0]);
    theirs_.emplace_back(ends[1]);
    return connections_.add(
        {.fd = ends[0], .via = Via::kLoopback, .peer = peer, .phase = phase, .since = now_});
  }
  // What the client of the connection with this number has got; "open" when it is not cut off.
  [[nodiscard]] std::string got(std::size_t number) const {
    std::array<char, 64> text{};
    const ssize_t length =
        ::recv(theirs_[number].get(), text.data(), text.size(), MSG_DONTWAIT | MSG_PEEK);
    return length < 0 ? "open" : std::string(text.data(), static_cast<std::size_t>(length));
  }

  [[nodiscard]] std::uint64_t cut(metrics::AdminCut why) const {
    return metrics_.cut[static_cast<std::size_t>(why)].value();
  }

  metrics::AdminMetrics metrics_;
  Connections connections_{10s, metrics_};
  Connections::Time now_ = Connections::Time{} + 1h;
  std::vector<UniqueFd> ours_;
  std::vector<UniqueFd> theirs_;
};

TEST_F(ConnectionsTest, ARequestThatIsNotCompleteInTimeIsToldSoAndCutOff) {
  add();
  EXPECT_EQ(connections_.cut(now_ + 9s, "bye"), now_ + 10s);
  EXPECT_EQ(got(0), "open");
  EXPECT_EQ(connections_.cut(now_ + 10s, "bye"), std::nullopt);
  EXPECT_EQ(got(0), "bye");
  EXPECT_EQ(cut(metrics::AdminCut::kTooSlow), 1);
}

TEST_F(ConnectionsTest, AnAnswerThatIsNotTakenInTimeEndsWithoutFurtherWords) {
  add(Phase::kSending);
  connections_.cut(now_ + 10s, "bye");
  EXPECT_EQ(got(0), "");
}

TEST_F(ConnectionsTest, AThreadThatAnswersHasAllTheTime) {
  add(Phase::kAnswering);
  EXPECT_EQ(connections_.cut(now_ + 24h, "bye"), std::nullopt);
  EXPECT_EQ(got(0), "open");
}

TEST_F(ConnectionsTest, WhereThereIsNoRoomThoseThatDawdleGiveWay) {
  add(Phase::kAnswering);
  add(Phase::kSending);
  while (!connections_.full()) {
    add();
  }
  EXPECT_EQ(connections_.cut(now_ + 200ms, "bye"), now_ + 250ms);
  EXPECT_EQ(connections_.cut(now_ + 250ms, "bye"), now_ + 2s);
  EXPECT_EQ(got(0), "open");
  EXPECT_EQ(got(1), "open");
  for (std::size_t i = 2; i < Connections::kMost; ++i) {
    EXPECT_EQ(got(i), "bye");
  }
  EXPECT_EQ(connections_.cut(now_ + 2s, "bye"), std::nullopt);
  EXPECT_EQ(got(1), "");
}

TEST_F(ConnectionsTest, OneAddressOfTheNetworkDoesNotGetAllOfThem) {
  for (std::size_t i = 0; i < Connections::kMostOfOne; ++i) {
    EXPECT_TRUE(connections_.takes(Via::kNetwork, "192.0.2.1"));
    add(Phase::kReading, "192.0.2.1");
  }
  EXPECT_EQ(metrics_.connections.value(), Connections::kMostOfOne);
  EXPECT_EQ(cut(metrics::AdminCut::kTooMany), 0);
  EXPECT_FALSE(connections_.takes(Via::kNetwork, "192.0.2.1"));
  EXPECT_EQ(cut(metrics::AdminCut::kTooMany), 1);
  EXPECT_TRUE(connections_.takes(Via::kNetwork, "192.0.2.2"));
  EXPECT_TRUE(connections_.takes(Via::kLoopback, "192.0.2.1"));
  connections_.remove(*connections_.find(ours_[0].get()));
  EXPECT_EQ(metrics_.connections.value(), Connections::kMostOfOne - 1);
  EXPECT_TRUE(connections_.takes(Via::kNetwork, "192.0.2.1"));
}

TEST_F(ConnectionsTest, AtTheEndHalfRequestsAreNotWaitedFor) {
  add();
  add(Phase::kSending);
  connections_.hurry(500ms);
  EXPECT_EQ(connections_.cut(now_, "bye"), now_ + 500ms);
  EXPECT_EQ(got(0), "bye");
  connections_.cut(now_ + 500ms, "bye");
  EXPECT_EQ(got(1), "");
}

}  // namespace
}  // namespace headgate::admin
