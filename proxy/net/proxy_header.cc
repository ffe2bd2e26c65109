#include "net/proxy_header.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>

namespace headgate::net {
namespace {

using namespace std::string_view_literals;

constexpr std::string_view kSignature1 = "PROXY "sv;
constexpr std::string_view kSignature2 = "\r\n\r\n\0\r\nQUIT\n"sv;
constexpr std::size_t kMaxLine = 107;  // section 2.1, CRLF included
constexpr std::size_t kFixedPart2 = 16;
constexpr std::size_t kMaxVariablePart2 = 4096;
constexpr std::size_t kMaxAuthority = 255;  // a host name
constexpr unsigned kTlvAuthority = 0x02;

bool shares_prefix(std::string_view bytes, std::string_view signature) {
  const std::size_t common = std::min(bytes.size(), signature.size());
  return bytes.substr(0, common) == signature.substr(0, common);
}

unsigned byte_at(std::string_view bytes, std::size_t index) {
  return static_cast<unsigned char>(bytes[index]);
}

std::uint16_t number_at(std::string_view bytes, std::size_t index) {
  return static_cast<std::uint16_t>(byte_at(bytes, index) << 8 | byte_at(bytes, index + 1));
}

// Takes the text up to the next space, or all that is left; exactly one space separates words.
std::string_view take_word(std::string_view& line) {
  const std::size_t space = line.find(' ');
  const std::string_view word = line.substr(0, space);
  line.remove_prefix(space == std::string_view::npos ? line.size() : space + 1);
  return word;
}

// Decimal without leading zeros, 0 to 65535 (section 2.1).
bool parse_port(std::string_view text, std::uint16_t& port) {
  if (text.empty() || (text.size() > 1 && text.front() == '0')) {
    return false;
  }
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  return error == std::errc() && end == text.data() + text.size();
}

ProxyHeaderResult parse_line(std::string_view bytes) {
  const std::string_view window = bytes.substr(0, kMaxLine);
  const std::size_t end = window.find("\r\n");
  if (end == std::string_view::npos) {
    if (bytes.size() >= kMaxLine) {
      return ProxyHeaderBroken{"version 1: no CRLF within 107 bytes"};
    }
    return ProxyHeaderIncomplete{};
  }
  ProxyHeader header;
  header.length = end + 2;
  std::string_view line = window.substr(kSignature1.size(), end - kSignature1.size());
  const std::string_view protocol = take_word(line);
  if (protocol == "UNKNOWN") {
    header.local = true;  // what follows on the line is to be ignored
    return header;
  }
  if (protocol != "TCP4" && protocol != "TCP6") {
    return ProxyHeaderBroken{"version 1: protocol is not TCP4, TCP6 or UNKNOWN"};
  }
  const auto source = IpAddress::parse(take_word(line));
  const auto destination = IpAddress::parse(take_word(line));
  if (!source || !destination) {
    return ProxyHeaderBroken{"version 1: address expected"};
  }
  // TCP6 may carry mapped addresses, which IpAddress keeps as IPv4; TCP4 is IPv4 only.
  if (protocol == "TCP4" && (source->is_v6() || destination->is_v6())) {
    return ProxyHeaderBroken{"version 1: IPv6 address with TCP4"};
  }
  header.client.ip = *source;
  header.server.ip = *destination;
  const std::string_view source_port = take_word(line);
  // The last word: take_word would overlook a space behind it.
  if (!parse_port(source_port, header.client.port) || !parse_port(line, header.server.port)) {
    return ProxyHeaderBroken{"version 1: port expected"};
  }
  return header;
}

template <std::size_t kSize>
IpAddress address_at(std::string_view bytes, std::size_t index) {
  std::array<std::uint8_t, kSize> address{};
  std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(index), kSize, address.begin());
  return IpAddress::from_bytes(address);
}

// Two addresses of kSize bytes, then two ports; what is left of `body` are TLVs.
template <std::size_t kSize>
bool take_addresses(std::string_view& body, ProxyHeader& header) {
  if (body.size() < 2 * kSize + 4) {
    return false;
  }
  header.client = {address_at<kSize>(body, 0), number_at(body, 2 * kSize)};
  header.server = {address_at<kSize>(body, kSize), number_at(body, 2 * kSize + 2)};
  body.remove_prefix(2 * kSize + 4);
  return true;
}

// Section 2.2: type, two bytes of length, value. They must fill what is left exactly.
bool take_tlvs(std::string_view body, ProxyHeader& header) {
  while (!body.empty()) {
    if (body.size() < 3) {
      return false;
    }
    const unsigned type = byte_at(body, 0);
    const std::size_t length = number_at(body, 1);
    body.remove_prefix(3);
    if (length > body.size()) {
      return false;
    }
    if (type == kTlvAuthority && length <= kMaxAuthority) {
      header.authority.assign(body.substr(0, length));
    }
    body.remove_prefix(length);
  }
  return true;
}

ProxyHeaderResult parse_binary(std::string_view bytes) {
  // The two bytes behind the signature are judged as soon as they are there.
  if (bytes.size() > 12 && byte_at(bytes, 12) >> 4 != 2) {
    return ProxyHeaderBroken{"version 2: version is not 2"};
  }
  if (bytes.size() > 12 && (byte_at(bytes, 12) & 15) > 1) {
    return ProxyHeaderBroken{"version 2: command is not LOCAL or PROXY"};
  }
  if (bytes.size() < kFixedPart2) {
    return ProxyHeaderIncomplete{};
  }
  const std::size_t length = number_at(bytes, 14);
  if (length > kMaxVariablePart2) {
    return ProxyHeaderBroken{"version 2: longer than 4096 bytes"};
  }
  if (bytes.size() < kFixedPart2 + length) {
    return ProxyHeaderIncomplete{};
  }
  ProxyHeader header;
  header.length = kFixedPart2 + length;
  const bool is_proxied = (byte_at(bytes, 12) & 15) == 1;
  const unsigned family = byte_at(bytes, 13) >> 4;
  const bool is_stream = (byte_at(bytes, 13) & 15) == 1;
  // AF_UNSPEC, UNIX sockets and datagrams have no address that could stand for a client.
  if (!is_proxied || !is_stream || (family != 1 && family != 2)) {
    header.local = true;
    return header;
  }
  std::string_view body = bytes.substr(kFixedPart2, length);
  if (!(family == 1 ? take_addresses<4>(body, header) : take_addresses<16>(body, header))) {
    return ProxyHeaderBroken{"version 2: shorter than its addresses"};
  }
  if (!take_tlvs(body, header)) {
    return ProxyHeaderBroken{"version 2: a TLV is longer than the header"};
  }
  return header;
}

}  // namespace

ProxyHeaderResult parse_proxy_header(std::string_view bytes) {
  if (shares_prefix(bytes, kSignature1)) {
    return bytes.size() < kSignature1.size() ? ProxyHeaderResult{ProxyHeaderIncomplete{}}
                                             : parse_line(bytes);
  }
  if (shares_prefix(bytes, kSignature2)) {
    return parse_binary(bytes);
  }
  return ProxyHeaderBroken{"no PROXY signature"};
}

}  // namespace headgate::net
