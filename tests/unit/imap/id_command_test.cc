#include "imap/id_command.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

namespace headgate::imap {
namespace {

Parse parse(std::string_view text) {
  std::vector<dialogue::IdField> fields;
  return parse_id(text, fields);
}

std::string pairs(int count) {
  std::string list = " (";
  for (int i = 0; i < count; ++i) {
    list += i == 0 ? "\"k\" NIL" : " \"k\" \"v\"";
  }
  return list + ")";
}

TEST(IdCommand, ReadsListsAndNil) {
  std::vector<dialogue::IdField> fields;
  EXPECT_EQ(parse_id(" (\"name\" \"x\" {2}\r\nos {3+}\r\nabc \"v\" nil)", fields), Parse::kOk);
  ASSERT_EQ(fields.size(), 3U);
  EXPECT_EQ(fields[1].key, "os");
  EXPECT_EQ(fields[1].value, "abc");
  EXPECT_TRUE(fields[2].nil);
  EXPECT_EQ(parse(" NIL"), Parse::kOk);
  EXPECT_EQ(parse(" nil"), Parse::kOk);
  EXPECT_EQ(parse(" ()"), Parse::kOk);
}

TEST(IdCommand, WaitsForALiteralWhereAStringMayStand) {
  EXPECT_EQ(parse(" ({3}"), Parse::kLiteral);
  EXPECT_EQ(parse(" (\"a\" {3}"), Parse::kLiteral);
  EXPECT_EQ(parse(" {3}"), Parse::kBad);
  EXPECT_EQ(parse(" (\"a\"{3}"), Parse::kBad);
}

TEST(IdCommand, RefusesEverythingElse) {
  for (const std::string_view text :
       {"", " ", "()", " (", " )", " (\"a\")", " (\"a\" )", " (\"a\" \"b\" )", " (\"a\" \"b\"",
        " (\"a\" \"b\") ", " (\"a\" \"b\")x", " (a b)", " (NIL \"b\")", " ((\"a\" \"b\"))",
        " (\"a\" (\"b\"))", " NIL NIL", " (\"a\" \"b\"\"c\" \"d\")", " ( \"a\" \"b\")"}) {
    EXPECT_EQ(parse(text), Parse::kBad) << text;
  }
}

TEST(IdCommand, KeepsToTheBoundsOfTheRfc) {
  EXPECT_EQ(parse(pairs(30)), Parse::kOk);
  EXPECT_EQ(parse(pairs(31)), Parse::kBad);
  EXPECT_EQ(parse(" (\"" + std::string(30, 'k') + "\" \"v\")"), Parse::kOk);
  EXPECT_EQ(parse(" (\"" + std::string(31, 'k') + "\" \"v\")"), Parse::kBad);
  EXPECT_EQ(parse(" (\"k\" \"" + std::string(1024, 'v') + "\")"), Parse::kOk);
  EXPECT_EQ(parse(" (\"k\" \"" + std::string(1025, 'v') + "\")"), Parse::kBad);
}

TEST(IdCommand, CountsTheHopsThatAProxyBeforeHasLeft) {
  EXPECT_EQ(hops_left({}, 7), 7U);
  EXPECT_EQ(hops_left({{"X-Proxy-TTL", "3", false}}, 7), 3U);
  EXPECT_EQ(hops_left({{"x-proxy-ttl", "99", false}}, 7), 7U);
  EXPECT_EQ(hops_left({{"x-proxy-ttl", "0", false}}, 7), 0U);
  for (const char* broken : {"", "-1", "3x", "99999999999999999999"}) {
    EXPECT_EQ(hops_left({{"x-proxy-ttl", broken, false}}, 7), 7U) << broken;
  }
}

TEST(IdCommand, NeverSendsMoreThanThirtyPairs) {
  dialogue::ForwardedClient client;
  client.server_name = "imap.example.org";
  client.session_id = std::string(100, 's');
  client.id.assign(30, {"k", "v", false});
  const std::string list = make_id_list(client);
  EXPECT_EQ(std::count(list.begin(), list.end(), '"'), 4 * 30);
  EXPECT_THAT(list, testing::HasSubstr("\"" + std::string(64, 's') + "\""));
  EXPECT_THAT(list, testing::StartsWith("(\"k\" \"v\""));
}

TEST(IdCommand, WhatTheUserSourceSaysGoesBeforeWhatTheClientSays) {
  dialogue::ForwardedClient client;
  client.server_name = "imap.example.org";
  client.id.assign(30, {"k", "v", false});
  client.forward = {{"tier", "go\"ld", false}};
  const std::string list = make_id_list(client);
  EXPECT_THAT(list, testing::EndsWith(" \"x-forward-tier\" \"go\\\"ld\")"));
  std::vector<dialogue::IdField> fields;
  ASSERT_EQ(parse_id(" " + list, fields), Parse::kOk);
  EXPECT_EQ(fields.size(), 30U);
}

TEST(IdCommand, WritesOnlyWhatReadsBack) {
  dialogue::ForwardedClient client;
  client.server_name = std::string(3000, '"');
  client.id = {
      {std::string("\0\"\\\r\n)", 6), std::string("x\") \"x-proxy-ttl\" \"9\0", 21), false}};
  std::vector<dialogue::IdField> fields;
  ASSERT_EQ(parse_id(" " + make_id_list(client), fields), Parse::kOk);
  ASSERT_EQ(fields.size(), 9U);
  EXPECT_EQ(fields[0].key,
            "?\"\\?"
            "?)");
  EXPECT_EQ(fields[6].key, "x-proxy-ttl");
  EXPECT_EQ(fields[6].value, "6");
}

}  // namespace
}  // namespace headgate::imap
