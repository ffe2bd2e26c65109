#include "admin/listening.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

namespace headgate::admin {
namespace {

using testing::AnyOf;
using testing::HasSubstr;

class ListeningTest : public testing::Test {
 protected:
  ListeningTest() {
    std::string name = (std::filesystem::temp_directory_path() / "headgate-XXXXXX").string();
    folder_ = mkdtemp(name.data());
    path_ = folder_ + "/admin.sock";
  }
  ~ListeningTest() override { std::filesystem::remove_all(folder_); }

  auto open(const SocketFile& file = {}) {
    return Listening::open(LocalAddress::parse(path_).value(), file);
  }
  [[nodiscard]] std::string error() {
    const auto opened = open();
    return opened ? "it listens" : opened.error();
  }
  // What bind() leaves there; it stays when the result goes.
  [[nodiscard]] UniqueFd bind_there(int type) const { return socket_there(type, ::bind); }
  [[nodiscard]] UniqueFd connect_there() const { return socket_there(SOCK_STREAM, ::connect); }
  [[nodiscard]] UniqueFd socket_there(int type,
                                      int (*call)(int, const sockaddr*, socklen_t)) const {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path_.copy(address.sun_path, sizeof address.sun_path - 1);
    UniqueFd fd(::socket(AF_UNIX, type | SOCK_CLOEXEC, 0));
    EXPECT_EQ(call(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    return fd;
  }
  [[nodiscard]] unsigned mode() const {
    struct stat found{};
    EXPECT_EQ(::lstat(path_.c_str(), &found), 0);
    return found.st_mode & 07777U;
  }
  [[nodiscard]] bool is_there() const { return std::filesystem::exists(path_); }

  std::string folder_;
  std::string path_;
};

TEST_F(ListeningTest, TheSocketFileHasTheBitsThatAreWantedWhateverTheUmask) {
  const ::mode_t before = ::umask(0077);
  {
    const auto listening = open({.mode = 0660, .group = ::getegid()});
    ASSERT_TRUE(listening) << listening.error();
    EXPECT_EQ(mode(), 0660U);
    EXPECT_EQ(listening->via(), Via::kUnixSocket);
  }
  ::umask(0);
  EXPECT_TRUE(open());
  const auto again = open();
  ASSERT_TRUE(again);
  EXPECT_EQ(mode(), 0600U);
  ::umask(before);
}

TEST_F(ListeningTest, TheSocketFileGoesAtTheEnd) {
  {
    const auto listening = open();
    ASSERT_TRUE(listening);
    EXPECT_TRUE(is_there());
  }
  EXPECT_FALSE(is_there());
}

TEST_F(ListeningTest, AFileThatSomebodyElsePutThereMeanwhileStays) {
  {
    const auto listening = open();
    ASSERT_TRUE(listening);
    std::filesystem::remove(path_);
    std::ofstream(path_) << "mine";
  }
  EXPECT_TRUE(is_there());
}

TEST_F(ListeningTest, WhatADeadProcessHasLeftIsReplaced) {
  bind_there(SOCK_STREAM).reset();
  ASSERT_TRUE(is_there());
  const auto listening = open();
  ASSERT_TRUE(listening) << listening.error();
  const UniqueFd client = connect_there();
  EXPECT_TRUE(listening->accept());
}

TEST_F(ListeningTest, ASocketThatSomebodyListensOnStays) {
  const auto first = open();
  ASSERT_TRUE(first);
  EXPECT_THAT(error(), HasSubstr("Address already in use"));
  const UniqueFd client = connect_there();
  const auto accepted = first->accept();  // the second of two: the first was the question
  ASSERT_TRUE(accepted);
}

TEST_F(ListeningTest, ADatagramSocketThatSomebodyHasStays) {
  const UniqueFd datagrams = bind_there(SOCK_DGRAM);
  EXPECT_THAT(error(), HasSubstr("Address already in use"));
  EXPECT_TRUE(is_there());
}

TEST_F(ListeningTest, WhatIsNoSocketStays) {
  std::ofstream(path_) << "precious";
  EXPECT_THAT(error(), HasSubstr("no socket"));
  EXPECT_TRUE(is_there());
  std::filesystem::remove(path_);
  std::filesystem::create_symlink("/nowhere", path_);
  EXPECT_THAT(error(), HasSubstr("no socket"));
}

TEST_F(ListeningTest, AFolderThatIsNotThereIsNamed) {
  path_ = folder_ + "/none/admin.sock";
  EXPECT_THAT(error(), HasSubstr(folder_ + "/none: No such file or directory"));
}

TEST_F(ListeningTest, WhoHoldsALockOnTheFolderForEverDoesNotKeepItFromListening) {
  bind_there(SOCK_STREAM).reset();
  const UniqueFd folder(::open(folder_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  ASSERT_EQ(::flock(folder.get(), LOCK_EX), 0);
  const auto listening = open();
  ASSERT_TRUE(listening) << listening.error();
  const UniqueFd client = connect_there();
  EXPECT_TRUE(listening->accept());
}

TEST_F(ListeningTest, OfManyThatFindTheSameStaleFileExactlyOneGetsIt) {
  for (int round = 0; round < 20; ++round) {
    bind_there(SOCK_STREAM).reset();
    std::vector<std::expected<Listening, std::string>> opened;
    for (int i = 0; i < 4; ++i) {
      opened.emplace_back(std::unexpected(std::string()));
    }
    {
      std::vector<std::jthread> threads;
      for (auto& one : opened) {
        threads.emplace_back([&] {
          auto mine = open();
          std::destroy_at(&one);
          std::construct_at(&one, std::move(mine));
        });
      }
    }
    int good = 0;
    for (const auto& one : opened) {
      good += one ? 1 : 0;
      if (!one) {
        EXPECT_THAT(one.error(), HasSubstr("Address already in use"));
      }
    }
    ASSERT_EQ(good, 1);
    ASSERT_TRUE(is_there());
  }
}

TEST_F(ListeningTest, WhoCallsOverAUnixSocketIsKnown) {
  const auto listening = open();
  ASSERT_TRUE(listening);
  EXPECT_EQ(listening->accept().error(), EAGAIN);
  const UniqueFd client = connect_there();
  const auto accepted = listening->accept();
  ASSERT_TRUE(accepted);
  EXPECT_EQ(accepted->peer,
            "uid=" + std::to_string(::geteuid()) + ",pid=" + std::to_string(::getpid()));
}

TEST_F(ListeningTest, PortsAreThoseThatWereBound) {
  for (const auto& [text, via] :
       {std::pair{"127.0.0.1:0", Via::kLoopback}, std::pair{"[::1]:0", Via::kLoopback},
        std::pair{"0.0.0.0:0", Via::kNetwork}, std::pair{"[::]:0", Via::kNetwork}}) {
    const auto listening = Listening::open(LocalAddress::parse(text).value(), {});
    ASSERT_TRUE(listening) << listening.error();
    EXPECT_NE(listening->address().endpoint.port, 0);
    EXPECT_EQ(listening->via(), via) << text;
    const auto second = Listening::open(listening->address(), {});
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error(), "bind: Address already in use");
  }
}

}  // namespace
}  // namespace headgate::admin
