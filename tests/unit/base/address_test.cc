#include "base/address.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/un.h>

#include <string>

namespace headgate {
namespace {

using namespace std::string_view_literals;

TEST(IpAddress, default_is_the_ipv4_wildcard) {
  EXPECT_EQ(IpAddress().to_string(), "0.0.0.0");
  EXPECT_FALSE(IpAddress().is_v6());
}

TEST(IpAddress, is_printed_in_its_canonical_form) {
  EXPECT_EQ(IpAddress::parse("192.0.2.1")->to_string(), "192.0.2.1");
  EXPECT_EQ(IpAddress::parse("2001:DB8:0:0:0:0:0:1")->to_string(), "2001:db8::1");
  EXPECT_EQ(IpAddress::parse("::")->to_string(), "::");
}

TEST(IpAddress, mapped_ipv6_is_kept_as_ipv4) {
  const auto mapped = IpAddress::parse("::ffff:192.0.2.1");
  ASSERT_TRUE(mapped);
  EXPECT_FALSE(mapped->is_v6());
  EXPECT_EQ(*mapped, *IpAddress::parse("192.0.2.1"));
  EXPECT_EQ(mapped->bytes(), "\xC0\x00\x02\x01"sv);
}

TEST(IpAddress, what_is_no_address_is_refused) {
  for (const auto text :
       {""sv, "192.0.2"sv, "192.0.2.256"sv, "192.0.2.01"sv, "192.0.2.1 "sv, "[::1]"sv, "::g"sv,
        "1::2::3"sv, "fe80::1%eth0"sv, "localhost"sv, "192.0.2.1\0"sv,
        "0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000"sv}) {
    EXPECT_FALSE(IpAddress::parse(text)) << text;
  }
}

TEST(Endpoint, reads_ipv4_and_bracketed_ipv6) {
  EXPECT_EQ(Endpoint::parse("192.0.2.1:993")->to_string(), "192.0.2.1:993");
  EXPECT_EQ(Endpoint::parse("[2001:db8::1]:0")->to_string(), "[2001:db8::1]:0");
  EXPECT_EQ(Endpoint::parse("0.0.0.0:65535")->port, 65535);
}

TEST(Endpoint, what_is_no_endpoint_is_refused_with_an_example) {
  for (const auto text :
       {""sv, ":"sv, ":993"sv, "192.0.2.1"sv, "192.0.2.1:"sv, "192.0.2.1:65536"sv, "192.0.2.1:-1"sv,
        "192.0.2.1:+1"sv, "192.0.2.1: 1"sv, "192.0.2.1:99999999999"sv, "::1:143"sv, "[::1]"sv,
        "[::1]143"sv, "[192.0.2.1]:143"sv, "[]:143"sv, "[:1"sv, "localhost:143"sv}) {
    const auto endpoint = Endpoint::parse(text);
    ASSERT_FALSE(endpoint) << text;
    EXPECT_NE(endpoint.error().find("192.0.2.1:993"), std::string::npos);
  }
}

TEST(LocalAddress, is_an_endpoint_or_the_path_of_a_unix_socket) {
  EXPECT_EQ(LocalAddress::parse("127.0.0.1:9143")->endpoint.port, 9143);
  EXPECT_EQ(LocalAddress::parse("[::1]:0")->to_string(), "[::1]:0");
  EXPECT_EQ(LocalAddress::parse("/run/headgate/admin.sock")->path, "/run/headgate/admin.sock");
  EXPECT_EQ(LocalAddress::parse("unix:/run/a")->to_string(), "/run/a");
  EXPECT_EQ(LocalAddress::parse("/" + std::string(106, 'a'))->path.size(), 107U);
}

TEST(LocalAddress, anything_else_is_refused_with_examples_of_both) {
  const std::string too_long = "/" + std::string(107, 'a');
  for (const std::string_view text : {""sv, "unix:"sv, "unix:run/a"sv, "run/a"sv, "unix:[::1]:1"sv,
                                      "/run/a\0b"sv, "localhost:1"sv, std::string_view(too_long)}) {
    const auto address = LocalAddress::parse(text);
    ASSERT_FALSE(address) << text;
    EXPECT_NE(address.error().find("127.0.0.1:9143"), std::string::npos);
    EXPECT_NE(address.error().find("/run/headgate/admin.sock"), std::string::npos);
  }
}

TEST(IpAddress, loopback_is_127_and_one) {
  for (const auto* text : {"127.0.0.1", "127.255.0.9", "::1", "::ffff:127.0.0.1"}) {
    EXPECT_TRUE(IpAddress::parse(text)->is_loopback()) << text;
  }
  for (const auto* text : {"0.0.0.0", "128.0.0.1", "::", "::2", "7f00::1", "192.0.2.127"}) {
    EXPECT_FALSE(IpAddress::parse(text)->is_loopback()) << text;
  }
}

TEST(Endpoint, survives_the_way_through_a_sockaddr) {
  for (const auto text : {"192.0.2.1:993"sv, "[2001:db8::1]:143"sv}) {
    const auto endpoint = Endpoint::parse(text);
    sockaddr_storage storage;
    const socklen_t length = endpoint->to_sockaddr(storage);
    EXPECT_EQ(length, endpoint->ip.is_v6() ? sizeof(sockaddr_in6) : sizeof(sockaddr_in));
    EXPECT_EQ(Endpoint::from_sockaddr(reinterpret_cast<const sockaddr*>(&storage)), *endpoint);
  }
}

TEST(Endpoint, mapped_sockaddr_becomes_ipv4) {
  sockaddr_in6 in{};
  in.sin6_family = AF_INET6;
  in.sin6_port = htons(143);
  ASSERT_EQ(inet_pton(AF_INET6, "::ffff:10.1.2.3", &in.sin6_addr), 1);
  EXPECT_EQ(Endpoint::from_sockaddr(reinterpret_cast<const sockaddr*>(&in)).to_string(),
            "10.1.2.3:143");
}

TEST(Endpoint, another_family_gives_the_empty_endpoint) {
  sockaddr_un un{};
  un.sun_family = AF_UNIX;
  EXPECT_EQ(Endpoint::from_sockaddr(reinterpret_cast<const sockaddr*>(&un)), Endpoint{});
}

TEST(HostPort, reads_names_and_literals) {
  EXPECT_EQ(HostPort::parse("mail1.example.org:993")->host, "mail1.example.org");
  EXPECT_EQ(HostPort::parse("mail_1:143")->host, "mail_1");
  EXPECT_EQ(HostPort::parse("mail.example.org.:143")->host, "mail.example.org.");
  EXPECT_EQ(HostPort::parse("10.0.0.1:143")->to_string(), "10.0.0.1:143");
  EXPECT_EQ(HostPort::parse("[0:0::1]:143")->host, "::1");
  EXPECT_EQ(HostPort::parse("[0:0::1]:143")->to_string(), "[::1]:143");
}

TEST(HostName, has_letters_digits_and_hyphens_and_does_not_end_in_a_number) {
  for (const auto text : {"mail1.example.org"sv, "mail.example.org."sv, "_imap._tcp.a"sv, "a"sv}) {
    EXPECT_TRUE(is_host_name(text)) << text;
  }
  for (const auto text : {""sv, "."sv, "a..b"sv, "-a.b"sv, "a b"sv, "a\\.b"sv, "192.0.2.1"sv}) {
    EXPECT_FALSE(is_host_name(text)) << text;
  }
}

TEST(HostPort, what_is_no_host_is_refused) {
  const std::string long_label(64, 'a');
  std::string long_name = "a";
  while (long_name.size() < 254) {
    long_name += ".a";
  }
  for (const auto& text :
       {std::string(":143"), std::string("mail"), std::string("mail:"), std::string("mail:imap"),
        std::string("10.0.0.300:143"), std::string("10.1:143"), std::string("-a:143"),
        std::string("a-:143"), std::string("a..b:143"), std::string(".:143"),
        std::string("a b:143"), std::string("[mail]:143"), std::string("::1:143"),
        std::string("a\0b:143", 7), std::string("m\xC3\xA4il:143"), long_label + ":143",
        long_name + ":143"}) {
    EXPECT_FALSE(HostPort::parse(text)) << text;
  }
}

TEST(Network, contains_the_addresses_of_its_prefix_alone) {
  const auto ten = Network::parse("10.0.0.0/8");
  EXPECT_TRUE(ten->contains(*IpAddress::parse("10.255.0.1")));
  EXPECT_TRUE(ten->contains(*IpAddress::parse("::ffff:10.1.1.1")));
  EXPECT_FALSE(ten->contains(*IpAddress::parse("11.0.0.1")));
  EXPECT_FALSE(ten->contains(*IpAddress::parse("a00::1")));
  const auto odd = Network::parse("192.0.2.128/25");
  EXPECT_TRUE(odd->contains(*IpAddress::parse("192.0.2.200")));
  EXPECT_FALSE(odd->contains(*IpAddress::parse("192.0.2.127")));
  const auto six = Network::parse("2001:db8::/33");
  EXPECT_TRUE(six->contains(*IpAddress::parse("2001:db8:7fff::1")));
  EXPECT_FALSE(six->contains(*IpAddress::parse("2001:db8:8000::1")));
}

TEST(Network, of_length_zero_contains_its_whole_family) {
  EXPECT_TRUE(Network::parse("0.0.0.0/0")->contains(*IpAddress::parse("255.1.2.3")));
  EXPECT_FALSE(Network::parse("0.0.0.0/0")->contains(*IpAddress::parse("::1")));
  EXPECT_TRUE(Network::parse("::/0")->contains(*IpAddress::parse("ffff::1")));
}

TEST(Network, bare_address_is_a_network_of_one) {
  const auto one = Network::parse("192.0.2.1");
  EXPECT_EQ(one->to_string(), "192.0.2.1/32");
  EXPECT_TRUE(one->contains(*IpAddress::parse("192.0.2.1")));
  EXPECT_FALSE(one->contains(*IpAddress::parse("192.0.2.2")));
  EXPECT_EQ(Network::parse("2001:db8::1")->to_string(), "2001:db8::1/128");
}

TEST(Network, mapped_ipv6_network_is_the_ipv4_network) {
  EXPECT_EQ(*Network::parse("::ffff:10.0.0.0/104"), *Network::parse("10.0.0.0/8"));
  EXPECT_FALSE(Network::parse("::ffff:0.0.0.0/95"));
}

TEST(Network, what_is_no_network_is_refused) {
  for (const auto text :
       {""sv, "/8"sv, "10.0.0.0/"sv, "10.0.0.0/33"sv, "10.0.0.0/-1"sv, "10.0.0.0/8/8"sv,
        "10.0.0.1/8"sv, "2001:db8::/129"sv, "2001:db8::1/64"sv, "10/8"sv}) {
    EXPECT_FALSE(Network::parse(text)) << text;
  }
}

}  // namespace
}  // namespace headgate
