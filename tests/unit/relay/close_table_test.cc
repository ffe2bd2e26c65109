#include <gtest/gtest.h>

#include <fstream>
#include <set>
#include <sstream>

#include "relay/relay.h"
#include "relay_harness.h"

// Every row of docs/close-table.md as a test of that name.

namespace headgate::relay {
namespace {

using namespace test;

enum class Who { kClient, kBackend };
enum class Ended { kOpen, kEof, kBroken };

struct Row {
  const char* name;
  Who source;
  Ended ended;
  bool pending;  // bytes that the sink does not take when the end comes
  Ended sink_ended;
  End end;  // how the relay ends, once everything is delivered and both sides have ended
};

constexpr Row kRows[] = {
    {"ClientOpenEmpty", Who::kClient, Ended::kOpen, false, Ended::kOpen, End::kNot},
    {"ClientOpenPending", Who::kClient, Ended::kOpen, true, Ended::kOpen, End::kNot},
    {"ClientEofEmpty", Who::kClient, Ended::kEof, false, Ended::kOpen, End::kClientClosed},
    {"ClientEofPending", Who::kClient, Ended::kEof, true, Ended::kOpen, End::kClientClosed},
    {"ClientBrokenEmpty", Who::kClient, Ended::kBroken, false, Ended::kOpen, End::kClientFailed},
    {"ClientBrokenPending", Who::kClient, Ended::kBroken, true, Ended::kOpen, End::kClientFailed},
    {"BackendOpenEmpty", Who::kBackend, Ended::kOpen, false, Ended::kOpen, End::kNot},
    {"BackendOpenPending", Who::kBackend, Ended::kOpen, true, Ended::kOpen, End::kNot},
    {"BackendEofEmpty", Who::kBackend, Ended::kEof, false, Ended::kOpen, End::kBackendClosed},
    {"BackendEofPending", Who::kBackend, Ended::kEof, true, Ended::kOpen, End::kBackendClosed},
    {"BackendBrokenEmpty", Who::kBackend, Ended::kBroken, false, Ended::kOpen, End::kBackendFailed},
    {"BackendBrokenPending", Who::kBackend, Ended::kBroken, true, Ended::kOpen,
     End::kBackendFailed},
    {"ClientEofThenBackendEof", Who::kClient, Ended::kEof, false, Ended::kEof, End::kClientClosed},
    {"BackendEofThenClientEof", Who::kBackend, Ended::kEof, false, Ended::kEof,
     End::kBackendClosed},
    {"BackendEofPendingThenClientEof", Who::kBackend, Ended::kEof, true, Ended::kEof,
     End::kBackendClosed},
    {"ClientEofPendingThenBackendEof", Who::kClient, Ended::kEof, true, Ended::kEof,
     End::kClientClosed},
    {"ClientEofThenBackendBroken", Who::kClient, Ended::kEof, false, Ended::kBroken,
     End::kClientClosed},
    {"BackendEofThenClientBroken", Who::kBackend, Ended::kEof, false, Ended::kBroken,
     End::kBackendClosed},
    {"BackendEofPendingThenClientBroken", Who::kBackend, Ended::kEof, true, Ended::kBroken,
     End::kBackendClosed},
    {"ClientBrokenPendingThenBackendBroken", Who::kClient, Ended::kBroken, true, Ended::kBroken,
     End::kClientFailed},
};

class CloseTable : public testing::TestWithParam<std::tuple<Kinds, Row>>, protected RelayHarness {
 protected:
  // Socketpairs: what they hold and when is the same in every run.
  void start() { connect(std::get<0>(GetParam()), 8000); }
  RawPeer& source() { return row().source == Who::kClient ? *client : *backend; }
  RawPeer& sink() { return row().source == Who::kClient ? *backend : *client; }
  static const Row& row() { return std::get<1>(GetParam()); }
  [[nodiscard]] unsigned source_interest() const {
    return row().source == Who::kClient ? status.interest.client : status.interest.backend;
  }
  [[nodiscard]] unsigned sink_interest() const {
    return row().source == Who::kClient ? status.interest.backend : status.interest.client;
  }

  void send_from_source(std::string_view bytes) {
    ASSERT_EQ(source().write(bytes), bytes.size());
    sent.append(bytes);
    settle();
  }
  // Piece by piece, so that everything sent is in the relay or beyond when the sink is full.
  void fill_sink() {
    for (int i = 0; i < 1000 && !relay->stalled(); ++i) {
      send_from_source(random_bytes(3000));
    }
    ASSERT_TRUE(relay->stalled());
  }
  void end(RawPeer& peer, Ended how) {
    if (how == Ended::kEof) {
      peer.end();
    } else if (how == Ended::kBroken) {
      // Closing with unread bytes is a reset.
      RawPeer& other = &peer == client.get() ? *backend : *client;
      if (&peer == &source()) {
        other.write("never read");
        settle();
      }
      peer.close();
    }
    settle();
  }
  void drain_sink() {
    for (std::size_t before = std::string::npos; before != received.size();) {
      before = received.size();
      received += sink().read();
      settle();
    }
    received += sink().read();
  }
  void expect_reply_passes() {
    ASSERT_EQ(sink().write("reply"), 5U);
    settle();
    ASSERT_TRUE(net::test::wait_for(source().fd(), POLLIN));
    EXPECT_EQ(source().read(), "reply");
  }

  std::string sent;
  std::string received;
};

INSTANTIATE_TEST_SUITE_P(Rows, CloseTable,
                         testing::Combine(testing::Values(Kinds{Kind::kPlain, Kind::kPlain},
                                                          Kinds{Kind::kTls13, Kind::kPlain},
                                                          Kinds{Kind::kTls12, Kind::kTls12},
                                                          Kinds{Kind::kTls13, Kind::kTls13}),
                                          testing::ValuesIn(kRows)),
                         [](const auto& chosen) {
                           return std::string(std::get<1>(chosen.param).name) +
                                  name_of(std::get<0>(chosen.param));
                         });

TEST_P(CloseTable, Holds) {
  start();
  send_from_source("hello");
  if (row().pending) {
    fill_sink();
    if (row().ended == Ended::kOpen) {
      EXPECT_EQ(source_interest() & (kReadable | kHangup), kHangup);
      EXPECT_EQ(sink_interest() & kWritable, kWritable);
    }
  }
  end(source(), row().ended);
  EXPECT_EQ(relay->stalled(), row().pending);
  const bool sink_lives = row().sink_ended != Ended::kBroken;
  if (row().ended != Ended::kBroken && row().sink_ended == Ended::kOpen) {
    EXPECT_EQ(status.end, End::kNot);
    EXPECT_EQ(relay->half_closed(), row().ended == Ended::kEof);
    expect_reply_passes();
  }
  end(sink(), row().sink_ended);
  if (row().pending && sink_lives) {
    EXPECT_EQ(status.end, End::kNot);  // not before the sink has everything
  }
  if (sink_lives) {
    drain_sink();
    EXPECT_EQ(received.size(), sent.size());
    EXPECT_TRUE(received == sent);
    EXPECT_EQ(sink().saw_end(), row().ended != Ended::kOpen);
  }
  if (row().ended == Ended::kEof && row().sink_ended == Ended::kOpen) {
    EXPECT_EQ(status.end, End::kNot);
    end(sink(), Ended::kEof);
  }
  EXPECT_EQ(status.end, row().end);
  EXPECT_EQ(pool.in_use(), 0U);
}

TEST(CloseTableDocument, HasExactlyTheRowsThatAreTested) {
  std::ifstream file(HEADGATE_SOURCE_DIR "/docs/close-table.md");
  ASSERT_TRUE(file.is_open());
  std::set<std::string> documented;
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    std::string bar;
    std::string name;
    if (words >> bar >> name && bar == "|" && name != "row" && name != "---") {
      documented.insert(name);
    }
  }
  std::set<std::string> tested;
  for (const Row& row : kRows) {
    tested.insert(row.name);
  }
  EXPECT_EQ(documented, tested);
}

}  // namespace
}  // namespace headgate::relay
