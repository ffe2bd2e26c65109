#include <cstdlib>
#include <string_view>

#include "net/proxy_header.h"

using headgate::net::parse_proxy_header;
using headgate::net::ProxyHeader;
using headgate::net::ProxyHeaderIncomplete;

// Whatever is parsed must lie within the input and its bounds, and must come out the same however
// the bytes arrive.
extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const auto result = parse_proxy_header(bytes);
  if (std::holds_alternative<ProxyHeaderIncomplete>(result) && size >= 16 + 4096) {
    std::abort();
  }
  const auto* header = std::get_if<ProxyHeader>(&result);
  if (header == nullptr) {
    return 0;
  }
  if (header->length > size || header->length > 16 + 4096 || header->authority.size() > 255) {
    std::abort();
  }
  for (std::size_t cut = 0; cut < header->length; ++cut) {
    if (!std::holds_alternative<ProxyHeaderIncomplete>(parse_proxy_header(bytes.substr(0, cut)))) {
      std::abort();
    }
  }
  return 0;
}
