#include "sources/name_cache.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <vector>

namespace headgate::sources {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::IsEmpty;

using Endpoints = std::vector<Endpoint>;

class NameCacheTest : public testing::Test {
 protected:
  ~NameCacheTest() override {
    names_.reset();
    loop_.drain();
  }
  void find(const HostPort& host) {
    names_->find(host, [this](const Endpoints& endpoints) {
      found_.push_back(endpoints);
      loop_.stop();
    });
  }
  void run_until(std::size_t count) {
    while (found_.size() < count) {
      loop_.run();
    }
  }

  net::Loop loop_;
  std::unique_ptr<NameCache> names_ = std::make_unique<NameCache>(loop_);
  std::vector<Endpoints> found_;
  const Endpoint localhost_ = *Endpoint::parse("127.0.0.1:143");
};

TEST_F(NameCacheTest, AnAddressIsItsOwnNameAndIsThereAtOnce) {
  find({"127.0.0.1", 143});
  find({"::1", 993});
  EXPECT_THAT(found_,
              ElementsAre(ElementsAre(localhost_), ElementsAre(*Endpoint::parse("[::1]:993"))));
}

TEST_F(NameCacheTest, ANameIsResolvedOnceForAllWhoAskMeanwhileAndThenKnown) {
  for (int i = 0; i < 3; ++i) {
    find({"localhost", 143});
  }
  EXPECT_THAT(found_, IsEmpty());
  run_until(3);
  find({"localhost", 143});
  ASSERT_EQ(found_.size(), 4U) << "a known name was resolved again";
  for (const Endpoints& endpoints : found_) {
    EXPECT_THAT(endpoints, Contains(localhost_));
    EXPECT_EQ(endpoints, found_.front());
  }
}

TEST_F(NameCacheTest, TheSameHostWithAnotherPortIsAnotherName) {
  find({"localhost", 143});
  find({"localhost", 993});
  run_until(2);
  EXPECT_THAT(found_, Contains(Contains(localhost_)));
  EXPECT_THAT(found_, Contains(Contains(*Endpoint::parse("127.0.0.1:993"))));
}

TEST_F(NameCacheTest, ANameThatDoesNotResolveHasNoAddresses) {
  find({"nowhere.invalid", 143});
  run_until(1);
  EXPECT_THAT(found_, ElementsAre(IsEmpty()));
  find({"nowhere.invalid", 143});
  EXPECT_EQ(found_.size(), 2U) << "a name that is known not to resolve was resolved again";
}

TEST_F(NameCacheTest, ACallbackMayAskAgain) {
  std::optional<Endpoints> second;
  names_->find({"localhost", 143}, [&](const Endpoints&) {
    names_->find({"localhost", 993}, [&](const Endpoints& endpoints) {
      second = endpoints;
      loop_.stop();
    });
  });
  while (!second) {
    loop_.run();
  }
  EXPECT_THAT(*second, Contains(*Endpoint::parse("127.0.0.1:993")));
}

TEST_F(NameCacheTest, NobodyIsCalledWhenTheCacheHasGone) {
  find({"localhost", 143});
  names_.reset();
  loop_.drain();
  EXPECT_THAT(found_, IsEmpty());
}

}  // namespace
}  // namespace headgate::sources
