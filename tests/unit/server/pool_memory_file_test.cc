#include "server/pool_memory_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>

namespace headgate::server {
namespace {

using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::Optional;

class PoolMemoryFileTest : public testing::Test {
 protected:
  PoolMemoryFileTest() {
    std::string name = (std::filesystem::temp_directory_path() / "headgate-test-XXXXXX").string();
    folder_ = ::mkdtemp(name.data());
  }
  ~PoolMemoryFileTest() override { std::filesystem::remove_all(folder_); }

  static std::shared_ptr<auth::PoolMemory> memory() {
    return std::make_shared<auth::PoolMemory>(auth::PoolChain{.pools = {"old", "new"}});
  }
  [[nodiscard]] std::string state_file() const { return folder_ / "state.json"; }
  [[nodiscard]] std::string file() const { return PoolMemoryFile::path(state_file()); }
  [[nodiscard]] std::string text() const {
    std::ostringstream all;
    all << std::ifstream(file()).rdbuf();
    return all.str();
  }
  PoolMemoryFile::Kept kept(const std::shared_ptr<auth::PoolMemory>& memory) const {
    return {state_file(), {memory}};
  }
  static void wait_until(const auto& condition) {
    while (!condition()) {
      std::this_thread::sleep_for(1ms);
    }
  }

  std::filesystem::path folder_;
};

TEST_F(PoolMemoryFileTest, WhatWasLearnedIsThereAfterARestart) {
  const auto first = memory();
  {
    PoolMemoryFile before([&] { return kept(first); });
    before.begin(1h);
    first->learn("alice", 1);
    before.end();
    EXPECT_EQ(before.figures().written, 1U) << "at the end, although its time had not come";
  }
  struct stat status{};
  ASSERT_EQ(::stat(file().c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777U, 0600U);
  const auto second = memory();
  PoolMemoryFile after([&] { return kept(second); });
  after.begin(1h);
  EXPECT_THAT(second->find("alice"), Optional(1U));
  after.end();
  EXPECT_EQ(after.figures().written, 0U) << "nothing has changed";
}

TEST_F(PoolMemoryFileTest, IsWrittenWhileItRunsWhenSomethingHasChanged) {
  const auto known = memory();
  PoolMemoryFile kept_file([&] { return kept(known); });
  kept_file.begin(1ms);
  known->learn("alice", 1);
  wait_until([&] { return text().contains("\tnew\talice\n"); });
  known->learn("alice", 0);
  wait_until([&] { return !text().contains("alice"); });
  kept_file.end();
  EXPECT_GE(kept_file.figures().written, 2U);
}

TEST_F(PoolMemoryFileTest, ABrokenFileKeepsNobodyOut) {
  for (const std::string& broken :
       {std::string(), std::string("{\"nonsense\""), std::string(100'000, '\0'),
        std::string("headgate pool memory 1\npools\told\tnew\n99999999999\tne")}) {
    std::ofstream(file(), std::ios::trunc) << broken;
    const auto known = memory();
    PoolMemoryFile kept_file([&] { return kept(known); });
    kept_file.begin(1h);
    EXPECT_EQ(known->size(), 0U);
    known->learn("bob", 1);
    kept_file.end();
    EXPECT_THAT(text(), HasSubstr("\tnew\tbob\n")) << "the next write mends it";
  }
}

TEST_F(PoolMemoryFileTest, AFolderThatIsGoneIsCountedAndTheMemoryGoesOn) {
  const auto known = memory();
  PoolMemoryFile kept_file([&] { return kept(known); });
  kept_file.begin(1ms);
  std::filesystem::remove_all(folder_);
  known->learn("alice", 1);
  wait_until([&] { return kept_file.figures().failed > 0; });
  EXPECT_THAT(known->find("alice"), Optional(1U));
  std::filesystem::create_directory(folder_);
  wait_until([&] { return kept_file.figures().written > 0; });
  kept_file.end();
}

TEST_F(PoolMemoryFileTest, WithoutAStateFileNothingIsWritten) {
  const auto known = memory();
  PoolMemoryFile kept_file([&] { return PoolMemoryFile::Kept{"", {known}}; });
  kept_file.begin(1ms);
  known->learn("alice", 1);
  kept_file.end();
  EXPECT_TRUE(std::filesystem::is_empty(folder_));
  EXPECT_EQ(kept_file.figures().written + kept_file.figures().failed, 0U);
}

}  // namespace
}  // namespace headgate::server
