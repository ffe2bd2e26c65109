#include "migration/perdition_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace headgate::migration {
namespace {

std::string shown(const std::expected<std::vector<PerditionLine>, std::string>& lines) {
  if (!lines) {
    return lines.error();
  }
  std::string out;
  for (const PerditionLine& line : *lines) {
    out += std::to_string(line.line) + " " + line.key + "=" + line.value + "\n";
  }
  return out;
}

TEST(PerditionConfig, OptionsHaveLongNamesOrLetters) {
  EXPECT_EQ(shown(parse_perdition_config("# comment\n"
                                         "l 1143   # letter\n"
                                         "group\tmail\n"
                                         "\n"
                                         "U\n")),
            "2 listen_port=1143\n3 group=mail\n5 username_from_database=\n");
}

TEST(PerditionConfig, QuotesEscapesAndContinuedLinesAreRead) {
  EXPECT_EQ(shown(parse_perdition_config("domain_delimiter \\#\n"
                                         "ok_line 'a # b'  c\n"
                                         "bind_address a,\\\n b\n"
                                         "debug \"x\\\"y\"\n")),
            "1 domain_delimiter=#\n2 ok_line=a # b  c\n3 bind_address=a, b\n5 debug=x\"y\n");
}

TEST(PerditionConfig, ACommentGoesOnBehindABackslashToo) {
  EXPECT_EQ(shown(parse_perdition_config("\ndebug # x \\\n more \\\n again\nquiet\n")),
            "2 debug=\n5 quiet=\n");
}

TEST(PerditionConfig, AQuoteThatStaysOpenIsAnErrorWithItsLine) {
  EXPECT_EQ(shown(parse_perdition_config("debug\nok_line \"a\n\nb\n")),
            "2: expected the end of a quoted word");
}

TEST(PerditionConfig, APopmapIsKeysAndServers) {
  EXPECT_EQ(shown(parse_popmap("# made by hand\nhorms:foo.bar:110\n\njain:jane@foo.bar \r\n")),
            "2 horms=foo.bar:110\n4 jain=jane@foo.bar\n");
  for (const char* wrong : {"horms\n", ":foo\n", "horms:\n"}) {
    EXPECT_EQ(shown(parse_popmap(wrong)), "1: expected KEY:SERVER") << wrong;
  }
}

}  // namespace
}  // namespace headgate::migration
