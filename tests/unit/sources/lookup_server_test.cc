#include "sources/lookup_server.h"

#include <gtest/gtest.h>

namespace headgate::sources {
namespace {

using namespace std::chrono_literals;
using Turn = LookupServer::Turn;

TEST(LookupServer, RestsLongerWithEachFailureInARowAndIsProbedByOneAtATime) {
  LookupServer server(*Url::parse("http://127.0.0.1:1/x?key=hush"));
  EXPECT_EQ(server.name(), "http://127.0.0.1:1/x");
  EXPECT_EQ(server.turn(0, 5s), Turn::kUsable);
  EXPECT_TRUE(server.note_failure(0, false));
  EXPECT_FALSE(server.note_failure(500, false)) << "one of those sent before";
  EXPECT_EQ(server.turn(999, 5s), Turn::kResting);
  EXPECT_EQ(server.turn(1000, 5s), Turn::kProbe);
  EXPECT_EQ(server.turn(1001, 5s), Turn::kResting);
  EXPECT_FALSE(server.note_failure(1100, true));
  EXPECT_EQ(server.turn(3099, 5s), Turn::kResting) << "twice as long";
  EXPECT_EQ(server.turn(3100, 5s), Turn::kProbe);
  EXPECT_TRUE(server.note_success());
  EXPECT_EQ(server.turn(3200, 5s), Turn::kUsable);
  EXPECT_FALSE(server.note_success());
}

TEST(LookupServer, AProbeThatNeverEndsGivesItsTurnToAnother) {
  LookupServer server(*Url::parse("http://127.0.0.1:1/"));
  server.note_failure(0, false);
  EXPECT_EQ(server.turn(1000, 5s), Turn::kProbe);
  EXPECT_EQ(server.turn(5999, 5s), Turn::kResting);
  EXPECT_EQ(server.turn(6000, 5s), Turn::kProbe);
}

TEST(LookupServer, NeverRestsLongerThanTheLongestRest) {
  LookupServer server(*Url::parse("http://127.0.0.1:1/"));
  std::int64_t now = 0;
  for (int i = 0; i < 50; ++i) {
    server.note_failure(now, true);
    EXPECT_EQ(server.turn(now + LookupServer::kLongestRest.count(), 0s), Turn::kProbe);
    now += LookupServer::kLongestRest.count();
  }
}

TEST(LookupServer, CountsIntoTheFirstBucketThatHoldsTheDuration) {
  SharedHistogram histogram;
  histogram.observe(1ms);
  histogram.observe(1001us);
  histogram.observe(1h);
  EXPECT_EQ(histogram.count(0), 1U);
  EXPECT_EQ(histogram.count(1), 1U);
  EXPECT_EQ(histogram.count(SharedHistogram::kBounds.size()), 1U);
}

}  // namespace
}  // namespace headgate::sources
