#include "imap/capability_list.h"

#include <gtest/gtest.h>

namespace headgate::imap {
namespace {

TEST(CapabilityList, FindsWholeNamesInAnyCase) {
  const CapabilityList list("IMAP4rev1 LITERAL+ AUTH=PLAIN ID");
  EXPECT_TRUE(list.has("id"));
  EXPECT_TRUE(list.has("Imap4REV1"));
  EXPECT_TRUE(list.has("LITERAL+"));
  EXPECT_FALSE(list.has("LITERAL"));
  EXPECT_FALSE(list.has("AUTH"));
  EXPECT_FALSE(list.has("PLAIN ID"));
  EXPECT_FALSE(list.has(""));
}

TEST(CapabilityList, DropsWhatIsNoText) {
  EXPECT_EQ(CapabilityList("  A \r\n B\t\x80  C ").text(), "A B C");
  EXPECT_TRUE(CapabilityList("   ").empty());
}

TEST(CapabilityList, AddsOnceAndRemovesAnywhere) {
  CapabilityList list;
  list.add("A");
  list.add("B");
  list.add("C");
  list.add("a");
  list.add("");
  EXPECT_EQ(list.text(), "A B C");
  list.remove("b");
  EXPECT_EQ(list.text(), "A C");
  list.remove("C");
  EXPECT_EQ(list.text(), "A");
  list.remove("X");
  list.remove("A");
  EXPECT_EQ(list.text(), "");
  list.remove("A");
  EXPECT_TRUE(list.empty());
}

}  // namespace
}  // namespace headgate::imap
