#include "net/proxy_header.h"

#include <gtest/gtest.h>

namespace headgate::net {
namespace {

using namespace std::string_literals;

struct Good {
  std::string name;
  std::string bytes;
  bool local;
  std::string client;
  std::string server;
  std::string authority;
};

std::string binary(char command, char family, const std::string& body) {
  return "\r\n\r\n\0\r\nQUIT\n"s + command + family + static_cast<char>(body.size() >> 8) +
         static_cast<char>(body.size() & 255) + body;
}

const std::string kV4 = "\xC0\x00\x02\x01\xC6\x33\x64\x02\x30\x39\x03\xE1"s;
const std::string kV6 =
    "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01"
    "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x02\x30\x39\x03\xE1"s;
const std::string kMapped =
    "\0\0\0\0\0\0\0\0\0\0\xff\xff\xC0\x00\x02\x01"
    "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x02\x30\x39\x03\xE1"s;
const std::string kAuthority = "\x02\0\x10mail.example.org"s;
const std::string kNoop = "\x04\0\x03xyz"s;

const std::vector<Good>& good_ones() {
  static const std::vector<Good> all{
      {"Tcp4", "PROXY TCP4 192.0.2.1 198.51.100.2 12345 993\r\n", false, "192.0.2.1:12345",
       "198.51.100.2:993", ""},
      {"Tcp6", "PROXY TCP6 2001:db8::1 2001:db8::2 12345 993\r\n", false, "[2001:db8::1]:12345",
       "[2001:db8::2]:993", ""},
      {"Tcp6Mapped", "PROXY TCP6 ::ffff:192.0.2.1 2001:db8::2 0 65535\r\n", false, "192.0.2.1:0",
       "[2001:db8::2]:65535", ""},
      {"Unknown", "PROXY UNKNOWN\r\n", true, "", "", ""},
      {"UnknownWithRest", "PROXY UNKNOWN ff:: whatever this is 1 2\r\n", true, "", "", ""},
      {"BinaryV4", binary(0x21, 0x11, kV4), false, "192.0.2.1:12345", "198.51.100.2:993", ""},
      {"BinaryV6", binary(0x21, 0x21, kV6), false, "[2001:db8::1]:12345", "[2001:db8::2]:993", ""},
      {"BinaryMixed", binary(0x21, 0x21, kMapped), false, "192.0.2.1:12345", "[2001:db8::2]:993",
       ""},
      {"BinaryAuthority", binary(0x21, 0x11, kV4 + kNoop + kAuthority + kNoop), false,
       "192.0.2.1:12345", "198.51.100.2:993", "mail.example.org"},
      {"BinaryLocal", binary(0x20, 0x00, ""), true, "", "", ""},
      {"BinaryLocalWithAddresses", binary(0x20, 0x11, kV4), true, "", "", ""},
      {"BinaryUnspecified", binary(0x21, 0x00, "whatever"), true, "", "", ""},
      {"BinaryUnix", binary(0x21, 0x31, std::string(216, 'x')), true, "", "", ""},
      {"BinaryLongest", binary(0x21, 0x11, kV4 + "\xEE\x0F\xF1"s + std::string(4081, 'x')), false,
       "192.0.2.1:12345", "198.51.100.2:993", ""},
  };
  return all;
}

class GoodProxyHeader : public testing::TestWithParam<Good> {};
INSTANTIATE_TEST_SUITE_P(All, GoodProxyHeader, testing::ValuesIn(good_ones()),
                         [](const auto& chosen) { return chosen.param.name; });

TEST_P(GoodProxyHeader, IsParsedAndWhatFollowsIsLeft) {
  for (const std::string rest : {"", "a LOGIN x y\r\n", "\r\n"}) {
    const ProxyHeaderResult result = parse_proxy_header(GetParam().bytes + rest);
    const auto* header = std::get_if<ProxyHeader>(&result);
    ASSERT_NE(header, nullptr);
    EXPECT_EQ(header->length, GetParam().bytes.size());
    EXPECT_EQ(header->local, GetParam().local);
    if (!header->local) {
      EXPECT_EQ(header->client.to_string(), GetParam().client);
      EXPECT_EQ(header->server.to_string(), GetParam().server);
      EXPECT_EQ(header->authority, GetParam().authority);
    }
  }
}

TEST_P(GoodProxyHeader, IsIncompleteWhereverItIsCut) {
  const std::string_view bytes = GetParam().bytes;
  for (std::size_t cut = 0; cut < bytes.size(); ++cut) {
    EXPECT_TRUE(
        std::holds_alternative<ProxyHeaderIncomplete>(parse_proxy_header(bytes.substr(0, cut))))
        << cut;
  }
}

struct Bad {
  std::string name;
  std::string bytes;
};

class BadProxyHeader : public testing::TestWithParam<Bad> {};
INSTANTIATE_TEST_SUITE_P(
    All, BadProxyHeader,
    testing::Values(Bad{"NoSignature", "a LOGIN"}, Bad{"TlsHello", "\x16\x03\x01"},
                    Bad{"LowerCase", "proxy TCP4 192.0.2.1 198.51.100.2 1 2\r\n"},
                    Bad{"Udp", "PROXY UDP4 192.0.2.1 198.51.100.2 1 2\r\n"},
                    Bad{"NoAddress", "PROXY TCP4\r\n"},
                    Bad{"OneAddress", "PROXY TCP4 192.0.2.1\r\n"},
                    Bad{"NoPorts", "PROXY TCP4 192.0.2.1 198.51.100.2\r\n"},
                    Bad{"OnePort", "PROXY TCP4 192.0.2.1 198.51.100.2 1\r\n"},
                    Bad{"LargePort", "PROXY TCP4 192.0.2.1 198.51.100.2 1 65536\r\n"},
                    Bad{"SignedPort", "PROXY TCP4 192.0.2.1 198.51.100.2 1 -2\r\n"},
                    Bad{"LeadingZero", "PROXY TCP4 192.0.2.1 198.51.100.2 01 2\r\n"},
                    Bad{"TwoSpaces", "PROXY TCP4  192.0.2.1 198.51.100.2 1 2\r\n"},
                    Bad{"TrailingSpace", "PROXY TCP4 192.0.2.1 198.51.100.2 1 2 \r\n"},
                    Bad{"V6InTcp4", "PROXY TCP4 2001:db8::1 2001:db8::2 1 2\r\n"},
                    Bad{"BadAddress", "PROXY TCP4 192.0.2.256 198.51.100.2 1 2\r\n"},
                    Bad{"EndlessLine", "PROXY UNKNOWN " + std::string(93, 'x')},
                    Bad{"CrlfTooLate", "PROXY UNKNOWN " + std::string(92, 'x') + "\r\n"},
                    Bad{"BinaryVersion", binary(0x31, 0x11, kV4)},
                    Bad{"BinaryCommand", binary(0x22, 0x11, kV4)},
                    Bad{"BinaryShort", binary(0x21, 0x11, kV4.substr(1))},
                    Bad{"BinaryShortV6", binary(0x21, 0x21, kV6.substr(1))},
                    Bad{"BinaryTlvCut", binary(0x21, 0x11, kV4 + kAuthority.substr(0, 10))},
                    Bad{"BinaryTlvHeadCut", binary(0x21, 0x11, kV4 + "\x02\0"s)},
                    Bad{"BinaryTooLong",
                        binary(0x21, 0x11, std::string(4097, '\0')).substr(0, 16)}),
    [](const auto& chosen) { return chosen.param.name; });

TEST_P(BadProxyHeader, IsBrokenWithAReason) {
  const ProxyHeaderResult result = parse_proxy_header(GetParam().bytes);
  const auto* broken = std::get_if<ProxyHeaderBroken>(&result);
  ASSERT_NE(broken, nullptr);
  EXPECT_FALSE(broken->why.empty());
}

TEST(ProxyHeader, AnAuthorityLongerThanAHostNameIsLeftOut) {
  const std::string tlv = "\x02\x01\x2C"s + std::string(300, 'x');
  const auto result = parse_proxy_header(binary(0x21, 0x11, kV4 + tlv));
  EXPECT_EQ(std::get<ProxyHeader>(result).authority, "");
}

}  // namespace
}  // namespace headgate::net
