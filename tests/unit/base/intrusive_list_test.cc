#include "base/intrusive_list.h"

#include <gtest/gtest.h>

#include <memory>
#include <vector>

namespace headgate {
namespace {

struct Item : ListNode {
  explicit Item(int number) : value(number) {}
  int value;
};

std::vector<int> values(const IntrusiveList<Item>& list) {
  std::vector<int> all;
  for (Item* item = list.front(); item != nullptr; item = list.after(*item)) {
    all.push_back(item->value);
  }
  return all;
}

TEST(IntrusiveList, KeepsTheOrderOfArrival) {
  Item one(1);
  Item two(2);
  IntrusiveList<Item> list;
  list.push_back(one);
  list.push_back(two);
  EXPECT_EQ(values(list), (std::vector<int>{1, 2}));
}

TEST(IntrusiveList, ForgetsAnItemThatIsDestroyed) {
  Item one(1);
  auto two = std::make_unique<Item>(2);
  Item three(3);
  IntrusiveList<Item> list;
  list.push_back(one);
  list.push_back(*two);
  list.push_back(three);
  two.reset();
  EXPECT_EQ(values(list), (std::vector<int>{1, 3}));
}

TEST(IntrusiveList, TakesAnItemFromAnotherList) {
  Item one(1);
  IntrusiveList<Item> first;
  IntrusiveList<Item> second;
  first.push_back(one);
  second.push_back(one);
  EXPECT_TRUE(first.empty());
  EXPECT_EQ(values(second), (std::vector<int>{1}));
}

TEST(IntrusiveList, MovesAnItemOfItsOwnToTheEnd) {
  Item one(1);
  Item two(2);
  IntrusiveList<Item> list;
  list.push_back(one);
  list.push_back(two);
  list.push_back(one);
  EXPECT_EQ(values(list), (std::vector<int>{2, 1}));
}

TEST(IntrusiveList, LeavesItsItemsUnlinkedWhenItGoes) {
  Item one(1);
  {
    IntrusiveList<Item> list;
    list.push_back(one);
    EXPECT_TRUE(one.linked());
  }
  EXPECT_FALSE(one.linked());
}

}  // namespace
}  // namespace headgate
