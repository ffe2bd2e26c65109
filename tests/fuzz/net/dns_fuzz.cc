#include <cstdlib>
#include <string_view>

#include "net/dns.h"

using headgate::net::parse_address_reply;
using headgate::net::parse_srv_reply;

// Whatever a DNS server sends: nothing beyond the message is read, and what comes out of it is
// bounded by it.
extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  constexpr std::size_t kLeastRecord = 11;  // a compressed name could be shorter only by being none
  constexpr std::size_t kLongestName = 1025;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  if (const auto reply = parse_srv_reply(bytes)) {
    if (reply->records.empty() || reply->records.size() > size / kLeastRecord) {
      std::abort();
    }
    for (const auto& record : reply->records) {
      if (record.target.size() > kLongestName) {
        std::abort();
      }
    }
  }
  if (parse_address_reply(bytes).size() > size / kLeastRecord) {
    std::abort();
  }
  return 0;
}
