#include "base/whole_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <string>

namespace headgate {
namespace {

class WholeFile : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = (std::filesystem::temp_directory_path() / "headgate-file-XXXXXX").string();
    ASSERT_NE(mkdtemp(folder_.data()), nullptr);
    path_ = folder_ + "/secret";
    std::ofstream(path_) << "0123456789";
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::string folder_;
  std::string path_;
};

TEST_F(WholeFile, is_read_up_to_the_limit_and_no_further) {
  auto file = open_regular(path_);
  ASSERT_TRUE(file) << file.error();
  EXPECT_EQ(file->status.st_size, 10);
  EXPECT_EQ(read_whole(file->fd.get(), 10)->view(), "0123456789");
  file = open_regular(path_);
  const auto text = read_whole(file->fd.get(), 9);
  ASSERT_FALSE(text);
  EXPECT_EQ(text.error(), "expected at most 9 bytes");
}

TEST_F(WholeFile, that_is_no_file_is_refused_without_waiting) {
  EXPECT_EQ(open_regular(folder_ + "/none").error(), error_text(ENOENT));
  EXPECT_EQ(open_regular(folder_).error(), "expected a regular file");
  const std::string fifo = folder_ + "/fifo";
  ASSERT_EQ(mkfifo(fifo.c_str(), 0600), 0);
  EXPECT_EQ(open_regular(fifo).error(), "expected a regular file");
}

}  // namespace
}  // namespace headgate
