#include "imap/response_line.h"

#include <gtest/gtest.h>

#include <string>

#include "imap/quoting.h"
#include "imap/response_reader.h"

namespace headgate::imap {
namespace {

using Kind = ResponseLine::Kind;
using Status = ResponseLine::Status;

TEST(ResponseLine, TakesStatusResponsesApart) {
  const ResponseLine line = parse_response("L OK [CAPABILITY IMAP4rev1 IDLE] Logged in");
  EXPECT_EQ(line.kind, Kind::kStatus);
  EXPECT_EQ(line.status, Status::kOk);
  EXPECT_EQ(line.tag, "L");
  EXPECT_EQ(line.code, "CAPABILITY");
  EXPECT_EQ(line.code_rest, "IMAP4rev1 IDLE");
  EXPECT_EQ(line.text, "Logged in");
  EXPECT_FALSE(line.untagged());
  EXPECT_EQ(parse_response("* preauth hi").status, Status::kPreauth);
  EXPECT_EQ(parse_response("* BYE").text, "");
  EXPECT_EQ(parse_response("a NO [x").text, "[x");
  EXPECT_EQ(parse_response("a NO []").code, "");
  EXPECT_EQ(parse_response("a NO [ALERT]text").text, "text");
}

TEST(ResponseLine, KnowsDataContinuationsAndGarbage) {
  EXPECT_EQ(parse_response("* 5 EXISTS").kind, Kind::kData);
  EXPECT_EQ(parse_response("* 5 EXISTS").word, "5");
  EXPECT_EQ(parse_response("* CAPABILITY A B").text, "A B");
  EXPECT_EQ(parse_response("+").kind, Kind::kContinuation);
  EXPECT_EQ(parse_response("+ go on").text, "go on");
  for (const std::string_view text :
       {"", " ", "*", "* ", "+OK", "a", "a EXISTS", "(", "* (x)", "\xff"}) {
    EXPECT_EQ(parse_response(text).kind, Kind::kGarbage) << text;
  }
}

TEST(ResponseReader, TakesLiteralsInDataAloneAsSuch) {
  ResponseReader reader;
  const std::string in = "* OK {5}\r\na OK {5}\r\n* X {3}\r\na\r\n {1}\r\nb\r\n+ {5}\n";
  std::string_view rest = in;
  for (const std::string_view wanted :
       {"* OK {5}", "a OK {5}", "* X {3}\r\na\r\n {1}\r\nb", "+ {5}"}) {
    const auto [consumed, event] = reader.feed(rest);
    EXPECT_EQ(event, ResponseReader::Event::kResponse);
    EXPECT_EQ(reader.text(), wanted);
    EXPECT_FALSE(reader.truncated());
    rest.remove_prefix(consumed);
  }
  EXPECT_TRUE(rest.empty());
  EXPECT_EQ(reader.feed(rest).event, ResponseReader::Event::kNone);
}

TEST(ResponseReader, SaysWhenALiteralIsNotAllThere) {
  ResponseReader reader;
  const std::string in = "* X {20000}\r\n" + std::string(20000, 'x') + " end\r\n";
  EXPECT_EQ(reader.feed(in).event, ResponseReader::Event::kResponse);
  EXPECT_TRUE(reader.truncated());
  EXPECT_LT(reader.text().size(), ResponseReader::kMaxKept + 100);
}

TEST(Quoting, WritesQuotedStrings) {
  std::string out;
  append_quoted("", out);
  append_quoted("a\"b\\", out);
  EXPECT_EQ(out, "\"\"\"a\\\"b\\\\\"");
  EXPECT_TRUE(fits_quoted("any printable \"\\~"));
  EXPECT_FALSE(fits_quoted("tab\t"));
  EXPECT_FALSE(fits_quoted("\x7f"));
  EXPECT_FALSE(fits_quoted("ä"));
  EXPECT_FALSE(fits_quoted(std::string(1025, 'x')));
  EXPECT_EQ(quotable("a\r\nä\x7f", 5), "a????");
}

}  // namespace
}  // namespace headgate::imap
