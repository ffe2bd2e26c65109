#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "auth/gsasl_server.h"
#include "auth/scram_keys.h"

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
  const auto parsed = auth::ScramKeys::parse(net::Digest::kSha256, text);
  require(parsed ? parsed->iterations >= auth::ScramKeys::kFewestIterations
                 : !parsed.error().empty());

  const auth::ScramKeys keys{.salt = Secret("0123456789abcdef"),
                             .stored_key = Secret("0123456789abcdef0123456789abcdef"),
                             .server_key = Secret("0123456789abcdef0123456789abcdef")};
  for (const std::string_view mechanism : {"SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"}) {
    auth::GsaslServer server(mechanism);
    server.set_binding("0123456789abcdef0123456789abcdef");
    server.set_keys(keys);
    const std::size_t end = text.find('\n');
    const auto first = server.step(text.substr(0, end));
    if (!first) {
      continue;
    }
    require(!first->done);
    if (end != std::string_view::npos) {
      const auto second = server.step(text.substr(end + 1));
      require(!second || !second->done);
    }
  }
  return 0;
}
