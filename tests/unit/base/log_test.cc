#include "base/log.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <thread>
#include <vector>

namespace headgate::log {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::MatchesRegex;
using testing::Not;

std::string captured(Format format, auto&& action) {
  configure(Level::kDebug, format);
  testing::internal::CaptureStderr();
  action();
  std::string out = testing::internal::GetCapturedStderr();
  configure(Level::kInfo, Format::kText);
  return out;
}

std::string line_of(Format format, std::string_view value) {
  return captured(format, [&] { info("event", {{"key", value}}); });
}

TEST(Log, ATextLineHasTimeLevelEventAndFields) {
  const std::string line = captured(Format::kText, [] {
    info("session end", {{"user", "alice@example.org"},
                         {"bytes", std::uint64_t{12}},
                         {"delta", std::int64_t{-3}},
                         {"seconds", 0.25},
                         {"tls", true}});
  });
  EXPECT_THAT(line,
              MatchesRegex("[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{3}Z "
                           "info    session end  user=alice@example.org bytes=12 delta=-3 "
                           "seconds=0.25 tls=true\n"));
}

TEST(Log, AJsonLineHasTimeLevelEventAndFields) {
  const std::string line = captured(Format::kJson, [] {
    warning("backend down", {{"pool", "main"}, {"failures", std::uint64_t{2}}, {"up", false}});
  });
  EXPECT_THAT(line,
              MatchesRegex("\\{\"time\":\"[0-9T:.-]+Z\",\"level\":\"warning\",\"event\":"
                           "\"backend down\",\"pool\":\"main\",\"failures\":2,\"up\":false\\}\n"));
}

TEST(Log, WhatIsBelowTheLevelIsNotWritten) {
  configure(Level::kWarning, Format::kText);
  testing::internal::CaptureStderr();
  debug("a");
  info("b");
  write(Level::kInfo, "c");
  warning("d");
  error("e");
  const std::string out = testing::internal::GetCapturedStderr();
  configure(Level::kInfo, Format::kText);
  EXPECT_EQ(std::ranges::count(out, '\n'), 2);
  EXPECT_THAT(out, HasSubstr("warning d\n"));
  EXPECT_THAT(out, HasSubstr("error   e\n"));
}

TEST(Log, AValueWithSpacesOrQuotesIsQuoted) {
  EXPECT_THAT(line_of(Format::kText, "two words"), EndsWith(" key=\"two words\"\n"));
  EXPECT_THAT(line_of(Format::kText, ""), EndsWith(" key=\"\"\n"));
  EXPECT_THAT(line_of(Format::kText, "a=b"), EndsWith(" key=\"a=b\"\n"));
  EXPECT_THAT(line_of(Format::kText, "a\"b\\c"), EndsWith(" key=\"a\\\"b\\\\c\"\n"));
  EXPECT_THAT(line_of(Format::kJson, "a\"b\\c"), EndsWith(",\"key\":\"a\\\"b\\\\c\"}\n"));
}

TEST(Log, ALineCannotBeForgedByAValue) {
  const std::string_view attack = "x\r\n2026-01-01T00:00:00.000Z info session end\n\x1b[2J";
  for (const Format format : {Format::kText, Format::kJson}) {
    const std::string line = line_of(format, attack);
    EXPECT_EQ(std::ranges::count(line, '\n'), 1) << line;
    EXPECT_EQ(std::ranges::count(line, '\r'), 0) << line;
    EXPECT_EQ(std::ranges::count(line, '\x1b'), 0) << line;
  }
  const std::string line = captured(Format::kText, [] { info("ev\nent", {{"k\ny", "v"}}); });
  EXPECT_THAT(line, HasSubstr("ev\\nent  k\\ny=v\n"));
}

TEST(Log, EveryByteValueGivesOneLineOfValidText) {
  for (int byte = 0; byte < 256; ++byte) {
    const std::string value = {'a', static_cast<char>(byte), 'b'};
    for (const Format format : {Format::kText, Format::kJson}) {
      const std::string line = line_of(format, value);
      ASSERT_EQ(line.back(), '\n');
      for (const char out : line.substr(0, line.size() - 1)) {
        ASSERT_GE(static_cast<unsigned char>(out), 0x20) << byte;
        ASSERT_LT(static_cast<unsigned char>(out), 0x7F) << byte;
      }
    }
  }
}

TEST(Log, ValidUtf8IsKeptAndBrokenUtf8IsEscaped) {
  EXPECT_THAT(line_of(Format::kText, "jürgen@例え.jp"), EndsWith(" key=jürgen@例え.jp\n"));
  EXPECT_THAT(line_of(Format::kJson, "jürgen"), EndsWith("\"key\":\"jürgen\"}\n"));
  EXPECT_THAT(line_of(Format::kText, "\xC3"), EndsWith(" key=\"\\xC3\"\n"));
  EXPECT_THAT(line_of(Format::kText, "\xC0\x8A"),
              EndsWith(" key=\"\\xC0\\x8A\"\n"));  // overlong LF
  EXPECT_THAT(line_of(Format::kJson, "\xED\xA0\x80"),
              EndsWith("\"\\ufffd\\ufffd\\ufffd\"}\n"));  // surrogate
  EXPECT_THAT(line_of(Format::kJson, "\xF5\x80\x80\x80"), HasSubstr("\\ufffd"));
  EXPECT_THAT(line_of(Format::kText, "\xE2\x80\xAE"),
              EndsWith(" key=\"\\xE2\\x80\\xAE\"\n"));  // bidi override
  EXPECT_THAT(line_of(Format::kJson, "\xC2\x9B"), EndsWith("\"key\":\"\\u009b\"}\n"));  // CSI
}

TEST(Log, AnEndlessValueIsCut) {
  const std::string value(1'000'000, 'x');
  for (const Format format : {Format::kText, Format::kJson}) {
    const std::string line = line_of(format, value);
    EXPECT_LT(line.size(), 4300U);
    EXPECT_THAT(line, HasSubstr("x…\""));
  }
  std::string wide;
  while (wide.size() < 5000) {
    wide += "ü";
  }
  EXPECT_THAT(line_of(Format::kJson, "a" + wide), Not(HasSubstr("fffd")));
}

TEST(Log, JsonHasNoNumbersThatJsonDoesNotKnow) {
  const std::string line = captured(Format::kJson, [] {
    info("e", {{"a", std::numeric_limits<double>::infinity()}, {"b", std::nan("")}, {"c", 1e300}});
  });
  EXPECT_THAT(line, HasSubstr("\"a\":null,\"b\":null,\"c\":1e+300}"));
}

TEST(Log, LinesOfSeveralThreadsDoNotMix) {
  const std::string out = captured(Format::kText, [] {
    std::vector<std::thread> threads;
    for (int thread = 0; thread < 4; ++thread) {
      threads.emplace_back([thread] {
        const std::string value(200, static_cast<char>('a' + thread));
        for (int i = 0; i < 200; ++i) {
          info("event", {{"key", value}});
        }
      });
    }
    for (std::thread& thread : threads) {
      thread.join();
    }
  });
  std::size_t lines = 0;
  for (std::size_t begin = 0; begin < out.size(); ++lines) {
    const std::size_t end = out.find('\n', begin);
    ASSERT_NE(end, std::string::npos);
    const std::string line = out.substr(begin, end - begin);
    const std::string value = line.substr(line.find("key=") + 4);
    ASSERT_EQ(value, std::string(200, value.front()));
    begin = end + 1;
  }
  EXPECT_EQ(lines, 800U);
}

}  // namespace
}  // namespace headgate::log
