#include "server/discovery.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <vector>

namespace headgate::server {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

config::Srv some_srv() {
  config::Srv srv;
  srv.name = "_imaps._tcp.example.org";
  return srv;
}

std::vector<std::string> words_of(const Targets& targets) {
  std::vector<std::string> words;
  for (const config::Backend& backend : targets.backends) {
    words.push_back(backend.address.to_string() + " " + std::to_string(backend.weight) +
                    (backend.backup ? " backup" : ""));
  }
  return words;
}

// -- records as backends --------------------------------------------------------------------------

TEST(BackendsOf, LeastPriorityIsOrdinaryAndTheOthersAreBackups) {
  const net::SrvReply reply{.records = {{"late.example.org", 993, 30, 5},
                                        {"main.example.org", 993, 10, 60},
                                        {"spare.example.org", 993, 20, 5}},
                            .ttl = 60s};
  const auto targets = backends_of(reply, some_srv());
  ASSERT_TRUE(targets) << targets.error();
  EXPECT_THAT(words_of(*targets),
              ElementsAre("main.example.org:993 60", "spare.example.org:993 5 backup",
                          "late.example.org:993 5 backup"));
}

TEST(BackendsOf, OrderOfTheAnswerDoesNotMatter) {
  net::SrvReply reply{.records = {{"b.example.org", 993, 1, 1}, {"a.example.org", 993, 1, 1}},
                      .ttl = 60s};
  const auto one = backends_of(reply, some_srv());
  std::swap(reply.records[0], reply.records[1]);
  const auto other = backends_of(reply, some_srv());
  ASSERT_TRUE(one && other);
  EXPECT_EQ(words_of(*one), words_of(*other));
}

TEST(BackendsOf, WeightZeroEverywhereIsTheUsualWeight) {
  const net::SrvReply reply{.records = {{"a.example.org", 993, 1, 0}, {"b.example.org", 993, 1, 0}},
                            .ttl = 60s};
  EXPECT_THAT(words_of(*backends_of(reply, some_srv())),
              ElementsAre("a.example.org:993 100", "b.example.org:993 100"));
}

TEST(BackendsOf, WeightZeroBesideOthersIsTheLeastThatGetsUsers) {
  const net::SrvReply reply{
      .records = {{"a.example.org", 993, 1, 0}, {"b.example.org", 993, 1, 70}}, .ttl = 60s};
  EXPECT_THAT(words_of(*backends_of(reply, some_srv())),
              ElementsAre("a.example.org:993 1", "b.example.org:993 70"));
}

TEST(BackendsOf, GreatWeightsKeepTheirProportions) {
  const net::SrvReply reply{
      .records = {{"a.example.org", 993, 1, 65535}, {"b.example.org", 993, 1, 32768}}, .ttl = 60s};
  EXPECT_THAT(words_of(*backends_of(reply, some_srv())),
              ElementsAre("a.example.org:993 10000", "b.example.org:993 5000"));
}

TEST(BackendsOf, OneTargetTwiceIsOneBackend) {
  const net::SrvReply reply{.records = {{"a.example.org", 993, 2, 9}, {"a.example.org", 993, 1, 7}},
                            .ttl = 60s};
  EXPECT_THAT(words_of(*backends_of(reply, some_srv())), ElementsAre("a.example.org:993 7"));
}

TEST(BackendsOf, TargetsThatCannotBeBackendsAreLeftOutAndSaidWhy) {
  config::Srv srv = some_srv();
  srv.within = "example.org";
  const net::SrvReply reply{.records = {{"a.example.org", 993, 1, 1},
                                        {"a.example.org", 0, 1, 1},
                                        {"", 993, 1, 1},
                                        {"192.0.2.1", 993, 1, 1},
                                        {"a\\010b.example.org", 993, 1, 1},
                                        {"badexample.org", 993, 1, 1},
                                        {"example.org", 993, 1, 1}},
                            .ttl = 60s};
  const auto targets = backends_of(reply, srv);
  ASSERT_TRUE(targets) << targets.error();
  EXPECT_THAT(words_of(*targets), ElementsAre("a.example.org:993 1", "example.org:993 1"));
  EXPECT_THAT(targets->left_out,
              ElementsAre(".:993: the service is not offered there", "192.0.2.1:993: no host name",
                          "a.example.org:0: port 0", HasSubstr(".example.org:993: no host name"),
                          "badexample.org:993: not within example.org"));
}

TEST(BackendsOf, AnswerWithTooManyTargetsIsNotTaken) {
  config::Srv srv = some_srv();
  srv.most_backends = 1;
  const net::SrvReply reply{.records = {{"a.example.org", 993, 1, 1}, {"b.example.org", 993, 1, 1}},
                            .ttl = 60s};
  EXPECT_EQ(backends_of(reply, srv).error(), "2 targets, more than most_backends (1)");
}

TEST(BackendsOf, ServiceThatIsNotOfferedIsNotTaken) {
  const net::SrvReply reply{.records = {{"", 0, 0, 0}}, .ttl = 60s};
  EXPECT_EQ(backends_of(reply, some_srv()).error(),
            "no target can be used: .:0: the service is not offered there");
}

TEST(BackendsOf, NamesOfTargetsThatAreLeftOutAreCountedBeyondTheFirstFew) {
  net::SrvReply reply{.records = {}, .ttl = 60s};
  for (int i = 0; i < 200; ++i) {
    reply.records.push_back({"x" + std::to_string(i) + ".example.org", 0, 1, 1});
  }
  const std::string error = backends_of(reply, some_srv()).error();
  EXPECT_LT(error.size(), 500U);
  EXPECT_THAT(error, HasSubstr(", and 190 more"));
}

// -- when it is asked, and what stays -------------------------------------------------------------

class Discover : public testing::Test {
 protected:
  Discover() {
    config_.pools.emplace_back().name = "listed";
    config_.pools.emplace_back().name = "main";
    config_.pools.back().srv = some_srv();
  }

  Discovery ask(const Discovery& before, Ask which = Ask::kAll) {
    return discover(config_, before, which, {}, [this](const config::Srv&) {
      ++asked_;
      return answer_;
    });
  }

  config::Config config_;
  std::expected<net::SrvReply, std::string> answer_ =
      net::SrvReply{.records = {{"a.example.org", 993, 1, 1}}, .ttl = 60s};
  int asked_ = 0;
};

TEST_F(Discover, AsksForPoolsWithSrvAlone) {
  const Discovery found = ask({});
  EXPECT_EQ(asked_, 1);
  ASSERT_THAT(found, SizeIs(2));
  EXPECT_THAT(found[0].backends, IsEmpty());
  ASSERT_THAT(found[1].backends, SizeIs(1));
  EXPECT_EQ(found[1].answers, 1U);
  EXPECT_THAT(figures(found), SizeIs(1));
}

TEST_F(Discover, FailureKeepsWhatWasKnown) {
  const Discovery good = ask({});
  answer_ = std::unexpected(std::string("there is no such name"));
  const Discovery bad = ask(good);
  EXPECT_TRUE(same_backends(good, bad));
  EXPECT_EQ(bad[1].failure, "there is no such name");
  EXPECT_EQ(bad[1].answered, good[1].answered);
  EXPECT_EQ(bad[1].failures, 1U);
}

TEST_F(Discover, AnotherNameForgetsWhatWasKnown) {
  const Discovery good = ask({});
  answer_ = std::unexpected(std::string("there is no such name"));
  config_.pools[1].srv->name = "_imaps._tcp.example.net";
  EXPECT_THAT(ask(good)[1].backends, IsEmpty());
}

TEST_F(Discover, IsNotDueBeforeItsTime) {
  const Discovery first = ask({});
  ask(first, Ask::kDue);
  EXPECT_EQ(asked_, 1);
  Discovery later = first;
  later[1].ask_at = {};
  ask(later, Ask::kDue);
  EXPECT_EQ(asked_, 2);
}

TEST_F(Discover, IsDueByTheRecordsTimeWithinTheConfiguredBounds) {
  const auto good_for = [&](std::chrono::seconds ttl) {
    answer_->ttl = ttl;
    const auto before = Discovered::Clock::now();
    const auto at = ask({})[1].ask_at;
    return std::pair(at - before, Discovered::Clock::now() - before);
  };
  for (const auto& [ttl, expected] : {std::pair(0s, 5s), {17s, 17s}, {3600s, 30s}}) {
    const auto [waits, took] = good_for(ttl);
    EXPECT_GE(waits, expected);
    EXPECT_LE(waits, expected + took);
  }
}

TEST_F(Discover, NobodyIsAskedOnceItIsToStop) {
  std::stop_source source;
  source.request_stop();
  discover(config_, {}, Ask::kAll, source.get_token(), [this](const config::Srv&) {
    ++asked_;
    return answer_;
  });
  EXPECT_EQ(asked_, 0);
}

}  // namespace
}  // namespace headgate::server
