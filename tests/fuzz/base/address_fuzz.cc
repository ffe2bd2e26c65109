// What the address parsers accept, they must accept again in their own spelling and mean the same.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "base/address.h"

namespace {

template <typename Type>
void check_round_trip(std::string_view text) {
  const auto first = Type::parse(text);
  if (!first) {
    if (first.error().empty()) {
      std::abort();
    }
    return;
  }
  const auto second = Type::parse(first->to_string());
  if (!second || *second != *first) {
    std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  check_round_trip<headgate::IpAddress>(text);
  check_round_trip<headgate::Endpoint>(text);
  check_round_trip<headgate::HostPort>(text);
  check_round_trip<headgate::LocalAddress>(text);
  check_round_trip<headgate::Network>(text);
  const auto network = headgate::Network::parse(text);
  const auto slash = text.find('/');
  if (network && !network->contains(*headgate::IpAddress::parse(text.substr(0, slash)))) {
    std::abort();
  }
  return 0;
}
