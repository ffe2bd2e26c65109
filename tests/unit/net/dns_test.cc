#include "net/dns.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <string>

#include "dns_message.h"

namespace headgate::net {
namespace {

using namespace std::chrono_literals;
using test::message;
using test::srv_record;
using testing::ElementsAre;
using testing::IsEmpty;

TEST(SrvReply, HasEveryFieldOfEveryRecord) {
  const auto reply = parse_srv_reply(message({srv_record(10, 60, 993, "mail1.example.org"),
                                              srv_record(20, 0, 1993, "Mail2.Example.ORG")}));
  ASSERT_TRUE(reply) << reply.error();
  EXPECT_THAT(reply->records, ElementsAre(SrvRecord{"mail1.example.org", 993, 10, 60},
                                          SrvRecord{"mail2.example.org", 1993, 20, 0}));
}

TEST(SrvReply, IsGoodForAsLongAsItsShortestRecord) {
  const auto reply = parse_srv_reply(message({srv_record(1, 1, 993, "a.example.org", 300),
                                              srv_record(1, 1, 993, "b.example.org", 7),
                                              srv_record(1, 1, 993, "c.example.org", 60)}));
  ASSERT_TRUE(reply) << reply.error();
  EXPECT_EQ(reply->ttl, 7s);
}

TEST(SrvReply, TheRootAsTargetIsAnEmptyName) {
  const auto reply = parse_srv_reply(message({srv_record(0, 0, 0, "")}));
  ASSERT_TRUE(reply) << reply.error();
  EXPECT_THAT(reply->records, ElementsAre(SrvRecord{"", 0, 0, 0}));
}

TEST(SrvReply, OtherRecordsBesideAreNoTargets) {
  const auto reply =
      parse_srv_reply(message({test::record(test::kCname, 5, test::labels("other.example.org")),
                               srv_record(1, 1, 993, "a.example.org")}));
  ASSERT_TRUE(reply) << reply.error();
  EXPECT_EQ(reply->records.size(), 1U);
  EXPECT_EQ(reply->ttl, 60s);
}

TEST(SrvReply, WithoutRecordsOrWithAnErrorIsNone) {
  EXPECT_EQ(parse_srv_reply(message({})).error(), "the name has no such records");
  EXPECT_EQ(parse_srv_reply(message({srv_record(1, 1, 1, "a.b")}, 3)).error(),
            "the answer cannot be read");
  EXPECT_EQ(parse_srv_reply("").error(), "the answer cannot be read");
}

TEST(SrvReply, RecordThatEndsInItsFixedPartIsRefused) {
  const std::string short_one = test::record(test::kSrv, 60, std::string(6, '\0'));
  EXPECT_EQ(parse_srv_reply(message({short_one})).error(), "a record of the answer is too short");
}

TEST(SrvReply, NameThatPointsAtItselfIsRefused) {
  // The target begins where the message is 12 + 28 + 12 + 6 bytes long, and points there.
  const std::string good = message({srv_record(1, 1, 1, "ab")});
  const std::size_t at = good.size() - test::labels("ab").size();
  const std::string loop = message({test::record(
      test::kSrv, 60, std::string(6, '\1') + test::u16(0xc000U | static_cast<unsigned>(at)))});
  EXPECT_EQ(parse_srv_reply(loop).error(), "a name in the answer cannot be read");
}

TEST(SrvReply, CutAnywhereIsRefused) {
  const std::string whole =
      message({srv_record(1, 1, 993, "a.example.org"), srv_record(1, 1, 993, "b.example.org")});
  for (std::size_t size = 0; size < whole.size(); ++size) {
    EXPECT_FALSE(parse_srv_reply(whole.substr(0, size))) << size;
  }
}

TEST(AddressReply, HasTheAddressesOfBothKindsAndNothingElse) {
  const std::string v6 = std::string("\x20\x01\x0d\xb8", 4) + std::string(11, '\0') + '\1';
  const auto addresses = parse_address_reply(
      message({test::record(test::kCname, 5, test::labels("x.example.org")),
               test::record(test::kA, 5, std::string("\xc0\0\2\1", 4)),
               test::record(test::kA, 5, "odd"), test::record(test::kAaaa, 5, v6)},
              0, test::kA));
  ASSERT_EQ(addresses.size(), 2U);
  EXPECT_EQ(addresses[0].to_string(), "192.0.2.1");
  EXPECT_EQ(addresses[1].to_string(), "2001:db8::1");
}

TEST(AddressReply, OfAnErrorIsEmpty) {
  const std::string a = test::record(test::kA, 5, std::string("\xc0\0\2\1", 4));
  EXPECT_THAT(parse_address_reply(message({a}, 2)), IsEmpty());
  EXPECT_THAT(parse_address_reply("no message"), IsEmpty());
}

TEST(Resolve, TakesAnAddressAsItIsWhateverServersThereAre) {
  const Endpoint nobody = *Endpoint::parse("127.0.0.1:1");
  const auto found = resolve({"192.0.2.7", 993}, std::span(&nobody, 1));
  ASSERT_TRUE(found) << found.error();
  ASSERT_EQ(found->size(), 1U);
  EXPECT_EQ(found->front().to_string(), "192.0.2.7:993");
}

}  // namespace
}  // namespace headgate::net
