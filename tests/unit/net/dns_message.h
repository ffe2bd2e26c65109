#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

// DNS messages (RFC 1035) put together for tests.
namespace headgate::net::test {

inline constexpr std::uint16_t kA = 1;
inline constexpr std::uint16_t kCname = 5;
inline constexpr std::uint16_t kAaaa = 28;
inline constexpr std::uint16_t kSrv = 33;

inline std::string u16(unsigned value) {
  return {static_cast<char>(value >> 8 & 0xff), static_cast<char>(value & 0xff)};
}

inline std::string u32(std::uint32_t value) {
  return u16(value >> 16) + u16(value & 0xffff);
}

// "mail1.example.org" as labels; "" is the root.
inline std::string labels(std::string_view name) {
  std::string wire;
  while (!name.empty()) {
    const std::string_view label = name.substr(0, name.find('.'));
    wire += static_cast<char>(label.size());
    wire += label;
    name.remove_prefix(std::min(label.size() + 1, name.size()));
  }
  return wire + '\0';
}

// A record of the name that the question has.
inline std::string record(std::uint16_t type, std::uint32_t ttl, const std::string& data) {
  constexpr unsigned kToTheQuestion = 0xc00c;  // a compressed name: at byte 12
  return u16(kToTheQuestion) + u16(type) + u16(1) + u32(ttl) +
         u16(static_cast<unsigned>(data.size())) + data;
}

inline std::string srv_record(unsigned priority, unsigned weight, unsigned port,
                              std::string_view target, std::uint32_t ttl = 60) {
  return record(kSrv, ttl, u16(priority) + u16(weight) + u16(port) + labels(target));
}

inline std::string message(const std::vector<std::string>& answers, unsigned rcode = 0,
                           std::uint16_t type = kSrv) {
  std::string wire = u16(4711) + u16(0x8180 | rcode) + u16(1) +
                     u16(static_cast<unsigned>(answers.size())) + u16(0) + u16(0);
  wire += labels("_imap._tcp.example.org") + u16(type) + u16(1);
  for (const std::string& answer : answers) {
    wire += answer;
  }
  return wire;
}

}  // namespace headgate::net::test
