#include "imap/arguments.h"

#include <gtest/gtest.h>

#include <string>

#include "imap/command.h"
#include "imap/literal.h"
#include "imap/syntax.h"

namespace headgate::imap {
namespace {

TEST(Syntax, KnowsTheCharactersOfTheGrammar) {
  EXPECT_TRUE(is_atom("INBOX.x-1+"));
  for (const char special : std::string_view("(){ %*\"\\]\r\n\x7f\x80\xff")) {
    EXPECT_FALSE(is_atom_char(special)) << static_cast<int>(special);
    EXPECT_EQ(is_astring_char(special), special == ']');
    EXPECT_EQ(is_tag_char(special), special == ']');
  }
  EXPECT_FALSE(is_atom_char('\0'));
  EXPECT_FALSE(is_atom(""));
  EXPECT_TRUE(is_tag(std::string(126, 'a')));
  EXPECT_FALSE(is_tag(std::string(127, 'a')));
  EXPECT_FALSE(is_tag("a+"));
  EXPECT_TRUE(equals_ignoring_case("iMaP", "IMAP"));
  EXPECT_FALSE(equals_ignoring_case("imap", "imap4"));
  EXPECT_FALSE(starts_with_ignoring_case("im", "imap"));
}

TEST(Literal, ReadsAnnouncements) {
  const auto plain = trailing_literal("a LOGIN {12}");
  ASSERT_TRUE(plain);
  EXPECT_EQ(plain->size, 12U);
  EXPECT_TRUE(plain->synchronizing);
  EXPECT_EQ(plain->length, 4U);
  const auto plus = trailing_literal("{007+}");
  ASSERT_TRUE(plus);
  EXPECT_EQ(plus->size, 7U);
  EXPECT_FALSE(plus->synchronizing);
  EXPECT_EQ(trailing_literal("{9223372036854775807}")->size, 9223372036854775807U);
  EXPECT_EQ(trailing_literal("{9223372036854775808}")->size, LiteralHeader::kTooLarge);
  EXPECT_EQ(trailing_literal('{' + std::string(1000, '9') + '}')->size, LiteralHeader::kTooLarge);
}

TEST(Literal, ReadsNothingElse) {
  for (const std::string_view line : {"", "}", "{}", "{+}", "{-1}", "{1", "1}", "{1 }", "{1++}",
                                      "{1+} ", "{0x1}", "{1}\"", "{{}", "{+1}", "{1-}"}) {
    EXPECT_FALSE(trailing_literal(line)) << line;
  }
}

TEST(Command, CutsALineAtItsFirstTwoSpaces) {
  const CommandLine line = split_command("a1 LoGiN alice secret");
  EXPECT_TRUE(line.well_formed);
  EXPECT_EQ(line.tag, "a1");
  EXPECT_EQ(line.command, Command::kLogin);
  EXPECT_EQ(line.arguments, " alice secret");
  EXPECT_EQ(split_command("a NOOP").arguments, "");
  EXPECT_EQ(split_command("a NOOPS").command, Command::kUnknown);
  EXPECT_FALSE(split_command("a").well_formed);
  EXPECT_EQ(split_command("a").tag, "a");
  EXPECT_EQ(split_command("").tag, "");
}

struct Case {
  std::string_view text;
  Parse parse;
  std::string_view value;
};

TEST(Arguments, ReadAstrings) {
  for (const Case& wanted : {
           Case{"abc", Parse::kOk, "abc"},
           Case{"abc]", Parse::kOk, "abc]"},
           Case{"\"\"", Parse::kOk, ""},
           Case{"\"a b\"", Parse::kOk, "a b"},
           Case{"\"a\\\"\\\\\"", Parse::kOk, "a\"\\"},
           Case{"{3}\r\na\"b", Parse::kOk, "a\"b"},
           Case{"{3+}\r\n\r\nb", Parse::kOk, "\r\nb"},
           Case{"{3}", Parse::kLiteral, ""},
           Case{"{3}\r\nab", Parse::kBad, ""},
           Case{"{3}x", Parse::kBad, ""},
           Case{"{3", Parse::kBad, ""},
           Case{"\"abc", Parse::kBad, "abc"},
           Case{"\"a\\bc\"", Parse::kBad, "a"},
           Case{"\"a\\", Parse::kBad, "a"},
           Case{"\"a\rb\"", Parse::kBad, "a"},
           Case{"", Parse::kBad, ""},
           Case{" a", Parse::kBad, ""},
           Case{"(a", Parse::kBad, ""},
           Case{"{18446744073709551615}\r\n", Parse::kBad, ""},
       }) {
    Secret out;
    EXPECT_EQ(Arguments(wanted.text).astring(out), wanted.parse) << wanted.text;
    if (wanted.parse == Parse::kOk) {
      EXPECT_EQ(out.view(), wanted.value) << wanted.text;
    }
  }
  Secret out;
  EXPECT_EQ(Arguments("abc").string(out), Parse::kBad);
}

TEST(Arguments, KnowNilFromAnAtomThatBeginsLikeIt) {
  EXPECT_TRUE(Arguments("NIL").take_nil());
  EXPECT_TRUE(Arguments("nil)").take_nil());
  EXPECT_FALSE(Arguments("NILS").take_nil());
  EXPECT_FALSE(Arguments("NI").take_nil());
}

}  // namespace
}  // namespace headgate::imap
