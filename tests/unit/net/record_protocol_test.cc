#include "net/record_protocol.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

namespace headgate::net {
namespace {

using Content = RecordProtocol::Content;
using Outcome = RecordProtocol::Outcome;

std::string from_hex(std::string_view hex) {
  std::string bytes;
  int high = -1;
  for (const char c : hex) {
    const int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
    if (digit < 0) {
      continue;
    }
    if (high < 0) {
      high = digit;
    } else {
      bytes += static_cast<char>(high << 4 | digit);
      high = -1;
    }
  }
  return bytes;
}

void set(TrafficSecret& secret, std::string_view bytes) {
  std::copy(bytes.begin(), bytes.end(), secret.bytes.begin());
  secret.size = bytes.size();
  secret.records = 0;
}

// Two ends of a connection.
struct Pair {
  explicit Pair(std::uint16_t suite = 0x1301, std::size_t size = 32) {
    set(of_client, std::string(size, 'c'));
    set(of_server, std::string(size, 's'));
    server = RecordProtocol::create(suite, true, of_server, of_client);
    client = RecordProtocol::create(suite, false, of_client, of_server);
  }
  TrafficSecret of_client;
  TrafficSecret of_server;
  std::unique_ptr<RecordProtocol> server;
  std::unique_ptr<RecordProtocol> client;
};

std::string sealed(RecordProtocol& by, Content content, std::string_view plain) {
  std::string out(plain.size() + RecordProtocol::kOverhead, '\0');
  out.resize(by.seal(content, plain, out.data()));
  return out;
}

struct Result {
  Outcome outcome = Outcome::kIncomplete;
  std::string text;
  std::size_t used = 0;
};

// With room for the plain text, or without.
Result opened(RecordProtocol& by, std::string input, std::size_t room = 20000) {
  std::vector<char> into(room);
  const RecordProtocol::Opened got = by.open(input, into);
  return {got.outcome, std::string(got.text != nullptr ? got.text : "", got.plain), got.used};
}

// RFC 8448 section 3, "Simple 1-RTT Handshake": its secrets and its records.
TEST(RecordProtocol, SpeaksAsTheExampleOfTheRfc) {
  TrafficSecret of_client;
  TrafficSecret of_server;
  set(of_client, from_hex("9e 40 64 6c e7 9a 7f 9d c0 5a f8 88 9b ce 65 52"
                          "87 5a fa 0b 06 df 00 87 f7 92 eb b7 c1 75 04 a5"));
  set(of_server, from_hex("a1 1a f9 f0 55 31 f8 56 ad 47 11 6b 45 a9 50 32"
                          "82 04 b4 f4 4b fb 6b 3a 4b 4f 1f 3f cb 63 16 43"));
  of_server.records = 1;  // the ticket
  std::string payload;
  for (int i = 0; i < 50; ++i) {
    payload += static_cast<char>(i);
  }
  const std::string client_record = from_hex(
      "17 03 03 00 43 a2 3f 70 54 b6 2c 94 d0 af fa fe 82 28 ba 55 cb ef ac ea 42 f9 14 aa"
      "66 bc ab 3f 2b 98 19 a8 a5 b4 6b 39 5b d5 4a 9a 20 44 1e 2b 62 97 4e 1f 5a 62 92 a2"
      "97 70 14 bd 1e 3d ea e6 3a ee bb 21 69 49 15 e4");
  const std::string server_record = from_hex(
      "17 03 03 00 43 2e 93 7e 11 ef 4a c7 40 e5 38 ad 36 00 5f c4 a4 69 32 fc 32 25 d0 5f"
      "82 aa 1b 36 e3 0e fa f9 7d 90 e6 df fc 60 2d cb 50 1a 59 a8 fc c4 9c 4b f2 e5 f0 a2"
      "1c 00 47 c2 ab f3 32 54 0d d0 32 e1 67 c2 95 5d");
  const auto server = RecordProtocol::create(0x1301, true, of_server, of_client);
  const auto client = RecordProtocol::create(0x1301, false, of_client, of_server);
  ASSERT_TRUE(server && client);
  EXPECT_EQ(opened(*server, client_record).text, payload);
  EXPECT_EQ(opened(*client, server_record).text, payload);
  const auto other_client = RecordProtocol::create(0x1301, false, of_client, of_server);
  EXPECT_TRUE(sealed(*other_client, Content::kApplicationData, payload) == client_record);
  // And its end: close_notify behind it.
  EXPECT_TRUE(sealed(*other_client, Content::kAlert, other_client->alert()) ==
              from_hex("17 03 03 00 13 c9 87 27 60 65 56 66 b7 4d 7f f1 15 3e fd 6d b6 d0 b0 e3"));
}

TEST(RecordProtocol, NoSuiteThatIsNotKnownAndNoSecretOfAnotherSize) {
  EXPECT_EQ(Pair(0x1304).server, nullptr);
  EXPECT_EQ(Pair(0x1302, 32).server, nullptr);
  EXPECT_EQ(Pair(0x1301, 48).server, nullptr);
  EXPECT_NE(Pair(0x1302, 48).server, nullptr);
  EXPECT_NE(Pair(0x1303, 32).server, nullptr);
}

TEST(RecordProtocol, ARecordIsOpenedOnceItIsWhole) {
  Pair pair;
  const std::string record = sealed(*pair.client, Content::kApplicationData, "a NOOP\r\n");
  for (std::size_t size = 0; size < record.size(); ++size) {
    const Result got = opened(*pair.server, record.substr(0, size));
    ASSERT_EQ(got.outcome, Outcome::kIncomplete);
    ASSERT_EQ(got.used, 0U);
  }
  const Result got = opened(*pair.server, record + "and more");
  EXPECT_EQ(got.text, "a NOOP\r\n");
  EXPECT_EQ(got.used, record.size());
}

TEST(RecordProtocol, WithLittleRoomTheTextLiesWhereTheRecordWas) {
  Pair pair;
  for (const std::size_t room : {0UL, 1UL, 8UL, 9UL, 100UL}) {
    const std::string record = sealed(*pair.client, Content::kApplicationData, "a NOOP\r\n");
    EXPECT_EQ(opened(*pair.server, record, room).text, "a NOOP\r\n");
  }
}

TEST(RecordProtocol, EveryChangedBitIsFound) {
  const std::string first = sealed(*Pair().client, Content::kApplicationData, "a NOOP\r\n");
  for (std::size_t bit = 0; bit < first.size() * 8; ++bit) {
    Pair pair;
    std::string record = sealed(*pair.client, Content::kApplicationData, "a NOOP\r\n");
    record[bit / 8] = static_cast<char>(record[bit / 8] ^ (1 << bit % 8));
    const Result got = opened(*pair.server, record);
    // A longer length may be waited for; everything else fails.
    ASSERT_TRUE(got.outcome == Outcome::kFailed ||
                (got.outcome == Outcome::kIncomplete && (bit / 8 == 3 || bit / 8 == 4)))
        << bit;
    ASSERT_EQ(got.text, "");
  }
}

TEST(RecordProtocol, RecordsOutOfOrderOrTwiceAreRefused) {
  Pair pair;
  const std::string first = sealed(*pair.client, Content::kApplicationData, "1");
  const std::string second = sealed(*pair.client, Content::kApplicationData, "2");
  EXPECT_EQ(opened(*Pair().server, second).outcome, Outcome::kFailed);
  EXPECT_EQ(opened(*pair.server, first).text, "1");
  EXPECT_EQ(opened(*pair.server, first).outcome, Outcome::kFailed);
  EXPECT_EQ(opened(*pair.server, second).outcome, Outcome::kFailed) << "a failure is final";
}

struct Refused {
  std::string what;
  int content;
  std::string plain;
  unsigned char alert;
};

class Refusal : public testing::TestWithParam<Refused> {};

INSTANTIATE_TEST_SUITE_P(
    RecordProtocol, Refusal,
    testing::Values(Refused{"of_another_type", 24, "x", 10}, Refused{"padding_alone", 0, "", 10},
                    Refused{"a_change_of_cipher", 20, "\1", 10},
                    Refused{"half_an_alert", 21, "\1", 50},
                    Refused{"an_alert_too_long", 21, std::string("\1\0\0", 3), 50},
                    Refused{"half_a_message", 22, std::string("\4\0\0", 3), 10},
                    Refused{"a_message_in_pieces", 22, std::string("\4\0\0\7x", 5), 10},
                    Refused{"a_ticket_for_a_server", 22, std::string("\4\0\0\1x", 5), 10},
                    Refused{"a_client_hello", 22, std::string("\1\0\0\0", 4), 10},
                    Refused{"an_update_of_two", 22, std::string("\30\0\0\1\2", 5), 50},
                    Refused{"an_update_too_long", 22, std::string("\30\0\0\2\0\0", 6), 50},
                    Refused{"an_update_with_more", 22, std::string("\30\0\0\1\0\30\0\0\1\0", 10),
                            50}),
    [](const auto& chosen) { return chosen.param.what; });

TEST_P(Refusal, IsFinalAndHasItsAlert) {
  Pair pair;
  const Refused& refused = GetParam();
  const std::string record =
      sealed(*pair.client, static_cast<Content>(refused.content), refused.plain);
  EXPECT_EQ(opened(*pair.server, record).outcome, Outcome::kFailed);
  EXPECT_NE(pair.server->error(), nullptr);
  EXPECT_EQ(pair.server->alert(), (std::string{2, static_cast<char>(refused.alert)}));
  EXPECT_EQ(opened(*pair.server, sealed(*pair.client, Content::kApplicationData, "x")).outcome,
            Outcome::kFailed);
}

TEST(RecordProtocol, WhatIsNotProtectedOrTooLongIsRefusedByItsHeader) {
  using namespace std::string_literals;
  for (const auto& [header, alert] : {std::pair{"\x15\x03\x03\x00\x02\x02\x28"s, 10},
                                      {"GET / HTTP/1.0\r\n\r\n"s, 10},
                                      {"\x17\x03\x03\x41\x01"s, 22},
                                      {"\x17\x03\x03\xff\xff"s, 22},
                                      {"\x17\x03\x03\x00\x10"s, 20},
                                      {"\x17\x03\x03\x00\x00"s, 20}}) {
    Pair pair;
    EXPECT_EQ(opened(*pair.server, header).outcome, Outcome::kFailed);
    EXPECT_EQ(pair.server->alert(), (std::string{2, static_cast<char>(alert)}));
  }
}

TEST(RecordProtocol, AnAlertOfThePeerEndsEverythingAndIsNotAnswered) {
  Pair pair;
  const std::string alert = sealed(*pair.client, Content::kAlert, std::string("\2\50", 2));
  EXPECT_EQ(opened(*pair.server, alert).outcome, Outcome::kFailed);
  EXPECT_EQ(pair.server->alert(), "");
}

TEST(RecordProtocol, NothingIsOpenedBehindCloseNotify) {
  Pair pair;
  const std::string end = sealed(*pair.client, Content::kAlert, pair.client->alert());
  const std::string behind = sealed(*pair.client, Content::kApplicationData, "x");
  EXPECT_EQ(opened(*pair.server, end + behind).outcome, Outcome::kClosed);
  EXPECT_TRUE(pair.server->closed());
  EXPECT_EQ(opened(*pair.server, behind).outcome, Outcome::kClosed);
  // Our direction is still open (RFC 8446 section 6.1).
  EXPECT_EQ(opened(*pair.client, sealed(*pair.server, Content::kApplicationData, "y")).text, "y");
}

TEST(RecordProtocol, AClientPassesOverTickets) {
  Pair pair;
  const std::string tickets("\4\0\0\1x\4\0\0\2yz", 11);
  const Result got = opened(*pair.client, sealed(*pair.server, Content::kHandshake, tickets));
  EXPECT_EQ(got.outcome, Outcome::kData);
  EXPECT_EQ(got.text, "");
  EXPECT_EQ(opened(*pair.client, sealed(*pair.server, Content::kApplicationData, "y")).text, "y");
}

TEST(RecordProtocol, EmptyRecordsAndMessagesWithoutDataAreBounded) {
  for (const Content content : {Content::kApplicationData, Content::kHandshake}) {
    Pair pair;
    int accepted = 0;
    for (int i = 0; i < 100; ++i) {
      const bool update = content == Content::kHandshake;
      std::string record(64, '\0');
      record.resize(update ? pair.client->seal_update(record.data())
                           : pair.client->seal(content, "", record.data()));
      accepted += opened(*pair.server, record).outcome == Outcome::kData ? 1 : 0;
    }
    EXPECT_EQ(accepted, 32);
    EXPECT_NE(pair.server->error(), nullptr);
  }
}

TEST(RecordProtocol, AnUpdateThatWasAskedForIsDueOnce) {
  Pair pair;
  EXPECT_FALSE(pair.server->update_due());
  // By hand: ours never ask.
  const std::string ask("\30\0\0\1\1", 5);
  EXPECT_EQ(opened(*pair.server, sealed(*pair.client, Content::kHandshake, ask)).outcome,
            Outcome::kData);
  ASSERT_TRUE(pair.server->update_due());
  std::string update(RecordProtocol::kUpdateSize, '\0');
  ASSERT_EQ(pair.server->seal_update(update.data()), update.size());
  EXPECT_FALSE(pair.server->update_due());
  EXPECT_EQ(opened(*pair.client, update).outcome, Outcome::kData);
  EXPECT_FALSE(pair.client->update_due());
  EXPECT_EQ(opened(*pair.client, sealed(*pair.server, Content::kApplicationData, "new keys")).text,
            "new keys");
}

TEST(RecordProtocol, KeysAreReplacedBeforeTheyHaveProtectedTooMuch) {
  for (const auto& [suite, size, limited] :
       {std::tuple{0x1301, 32UL, true}, {0x1302, 48UL, true}, {0x1303, 32UL, false}}) {
    TrafficSecret ours;
    TrafficSecret theirs;
    set(ours, std::string(size, 'o'));
    set(theirs, std::string(size, 't'));
    ours.records = (1U << 24) - 1;
    const auto made = RecordProtocol::create(static_cast<std::uint16_t>(suite), true, ours, theirs);
    const auto peer =
        RecordProtocol::create(static_cast<std::uint16_t>(suite), false, theirs, ours);
    ASSERT_TRUE(made && peer);
    EXPECT_FALSE(made->update_due());
    EXPECT_EQ(opened(*peer, sealed(*made, Content::kApplicationData, "last")).text, "last");
    EXPECT_EQ(made->update_due(), limited);
    std::string update(RecordProtocol::kUpdateSize, '\0');
    ASSERT_EQ(made->seal_update(update.data()), update.size());
    EXPECT_FALSE(made->update_due());
    EXPECT_EQ(opened(*peer, update).outcome, Outcome::kData);
    EXPECT_EQ(opened(*peer, sealed(*made, Content::kApplicationData, "first")).text, "first");
  }
}

}  // namespace
}  // namespace headgate::net
