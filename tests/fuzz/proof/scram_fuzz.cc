#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "proof/scram_keys.h"
#include "proof/scram_server.h"

// The client's two messages of a SCRAM exchange, on a line each, or stored keys: any bytes are an
// answer or a failure, and nobody gets in without having seen the server's nonce.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace headgate;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto require = [](bool held) {
    if (!held) {
      std::abort();
    }
  };
  const auto parsed = proof::ScramKeys::parse(net::Digest::kSha256, text);
  require(parsed ? parsed->iterations >= proof::ScramKeys::kFewestIterations
                 : !parsed.error().empty());

  const proof::ScramKeys keys{.salt = Secret("0123456789abcdef"),
                              .stored_key = Secret("0123456789abcdef0123456789abcdef"),
                              .server_key = Secret("0123456789abcdef0123456789abcdef")};
  const net::ChannelBindings bindings{.exporter = "0123456789abcdef0123456789abcdef",
                                      .end_points = {"0123456789abcdef"}};
  for (const bool plus : {false, true}) {
    proof::ScramServer server(net::Digest::kSha256, plus, bindings);
    const std::size_t end = text.find('\n');
    if (!server.read_first(text.substr(0, end))) {
      continue;
    }
    require(!server.user().empty());
    server.challenge(keys);
    require(end == std::string_view::npos || !server.read_final(text.substr(end + 1)));
  }
  return 0;
}
