#include "base/printable.h"

#include <gtest/gtest.h>

#include <string>

#include "base/utf8.h"

namespace headgate {
namespace {

TEST(Printable, KeepsPlainTextAndUtf8) {
  EXPECT_EQ(printable("alice@example.org"), "alice@example.org");
  EXPECT_EQ(printable("jürgen@exämple.org €😀"), "jürgen@exämple.org €😀");
  EXPECT_EQ(printable(""), "");
}

TEST(Printable, EscapesWhatCouldEndOrForgeALine) {
  EXPECT_EQ(printable("a\r\nb"), "a\\x0d\\x0ab");
  EXPECT_EQ(printable("say \"hi\" \\"), "say \\x22hi\\x22 \\x5c");
  EXPECT_EQ(printable(std::string_view("a\0b", 3)), "a\\x00b");
  EXPECT_EQ(printable("\x1b[31m\x7f"), "\\x1b[31m\\x7f");
}

TEST(Printable, EscapesControlAndDirectionCharactersBeyondAscii) {
  EXPECT_EQ(printable("\xc2\x85"), "\\xc2\\x85");           // NEL
  EXPECT_EQ(printable("\xc2\xa0"), "\xc2\xa0");             // no-break space stays
  EXPECT_EQ(printable("\xe2\x80\xa8"), "\\xe2\\x80\\xa8");  // line separator
  EXPECT_EQ(printable("\xe2\x80\xae"), "\\xe2\\x80\\xae");  // right-to-left override
  EXPECT_EQ(printable("\xe2\x81\xa6"), "\\xe2\\x81\\xa6");
}

TEST(Printable, EscapesBrokenUtf8ByteByByte) {
  EXPECT_EQ(printable("\xff\xfe"), "\\xff\\xfe");
  EXPECT_EQ(printable("\xc3"), "\\xc3");
  EXPECT_EQ(printable("\xe2\x82x"), "\\xe2\\x82x");
}

TEST(Printable, EndsLongTextAtACharacterWithAnEllipsis) {
  EXPECT_EQ(printable("abcdef", 3), "abc…");
  EXPECT_EQ(printable("abc", 3), "abc");
  EXPECT_EQ(printable("ab€", 3), "ab…");
  EXPECT_EQ(printable(std::string(1000000, 'x')).size(), 256U + 3U);
}

TEST(Utf8, KnowsWellFormedText) {
  EXPECT_TRUE(is_utf8(""));
  EXPECT_TRUE(is_utf8("plain"));
  EXPECT_TRUE(is_utf8("pässwörd €😀\xf4\x8f\xbf\xbf"));
}

TEST(Utf8, RefusesWhatRfc3629Refuses) {
  for (const std::string_view text :
       {"\x80", "\xc0\x80", "\xc1\xbf", "\xe0\x80\x80", "\xe0\x9f\xbf", "\xed\xa0\x80",
        "\xf0\x80\x80\x80", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff", "a\xc3", "\xe2\x82",
        "\xf0\x9f\x98", "\xc3(", "\xe2\x82("}) {
    EXPECT_FALSE(is_utf8(text));
  }
}

TEST(Without, PutsStarsInThePlaceOfASecret) {
  EXPECT_EQ(without("LOGIN alice secret: secret is wrong", "secret"),
            "LOGIN alice ***: *** is wrong");
  EXPECT_EQ(without("a\\x22b is wrong", "a\"b"), "*** is wrong");
  EXPECT_EQ(without("nothing", ""), "nothing");
}

}  // namespace
}  // namespace headgate
