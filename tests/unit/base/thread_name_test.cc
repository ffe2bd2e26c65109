#include "base/thread_name.h"

#include <gtest/gtest.h>
#include <pthread.h>

#include <array>
#include <string>
#include <thread>

namespace headgate {
namespace {

std::string name_now() {
  std::array<char, 16> name{};
  return pthread_getname_np(pthread_self(), name.data(), name.size()) == 0 ? name.data() : "";
}

TEST(ThreadName, is_of_the_calling_thread_alone) {
  const std::string before = name_now();
  std::string inside;
  std::thread([&inside] {
    name_this_thread("worker 7");
    inside = name_now();
  }).join();
  EXPECT_EQ(inside, "worker 7");
  EXPECT_EQ(name_now(), before);
}

TEST(ThreadName, is_cut_where_the_kernel_cuts_it) {
  std::string inside;
  std::thread([&inside] {
    name_this_thread("a name of more than fifteen bytes");
    inside = name_now();
  }).join();
  EXPECT_EQ(inside, "a name of more ");
}

}  // namespace
}  // namespace headgate
