#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "sources/auth_http_protocol.h"

// Any bytes are an answer or an error; what reaches a client is one line and one challenge of
// bounded length, and one who is let in has a name and a backend, whether the client gave a name or
// not.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  namespace auth = headgate::auth;
  using namespace headgate::sources;
  const std::string_view head(reinterpret_cast<const char*>(data), size);
  const auto require = [](bool held) {
    if (!held) {
      std::abort();
    }
  };
  const auto reply = parse_auth_http_reply(head);
  if (!reply) {
    require(!reply.error().empty());
    return 0;
  }
  require(reply->wait <= AuthHttpReply::kLongestWait && reply->wait.count() >= 0);
  const auth::LookupResult nameless = auth_http_result(*reply, "");
  if (const auto* accepted = std::get_if<auth::Accepted>(&nameless)) {
    require(!accepted->route.user.empty());
  }
  const auth::LookupResult result = auth_http_result(*reply, "alice");
  if (const auto* accepted = std::get_if<auth::Accepted>(&result)) {
    require(accepted->route.backend && accepted->route.backend->port != 0);
    require(!accepted->route.user.empty());
    require(accepted->route.user.find_first_of(std::string_view("\n\0", 2)) == std::string::npos);
  } else if (const auto* rejected = std::get_if<auth::Rejected>(&result)) {
    require(rejected->text.size() <= 512);
    require(rejected->challenge.size() <= AuthHttpReply::kLongestChallenge);
    for (const char c : rejected->text) {
      require(static_cast<unsigned char>(c) >= 0x20 && c != '\x7f');
    }
  }
  return 0;
}
