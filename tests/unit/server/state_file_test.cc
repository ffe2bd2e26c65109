#include "server/state_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

namespace headgate::server {
namespace {

using testing::HasSubstr;

class StateFile : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = (std::filesystem::temp_directory_path() / "headgate-state-XXXXXX").string();
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    folder_ = name;
    path_ = (folder_ / "state.json").string();
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  std::filesystem::path folder_;
  std::string path_;
};

TEST_F(StateFile, what_was_written_is_read_and_nothing_else_stays) {
  EXPECT_EQ(read_state(path_).value(), std::nullopt);
  ASSERT_TRUE(write_state(path_, std::string(200'000, 'a')));
  ASSERT_TRUE(write_state(path_, "second"));
  EXPECT_EQ(read_state(path_).value(), "second");
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder_), {}), 1);
  struct stat status{};
  ASSERT_EQ(::stat(path_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600U);
}

TEST_F(StateFile, a_failed_write_leaves_the_old_file_and_names_what_failed) {
  ASSERT_TRUE(write_state(path_, "first"));
  std::filesystem::create_directory(path_ + ".new");  // as good as a full disk, also for root
  const auto failed = write_state(path_, "second");
  ASSERT_FALSE(failed);
  EXPECT_THAT(failed.error(), HasSubstr(path_));
  EXPECT_EQ(read_state(path_).value(), "first");
}

TEST_F(StateFile, what_cannot_be_a_state_file_is_an_error) {
  EXPECT_FALSE(read_state(folder_.string()).has_value());
  std::ofstream(path_) << std::string(65UL * 1024 * 1024, 'x');
  EXPECT_THAT(read_state(path_).error(), HasSubstr("too large"));
}

}  // namespace
}  // namespace headgate::server
