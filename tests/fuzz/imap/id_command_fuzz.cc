// What a client says in its ID goes on to the backend as a list that reads back, within the bounds
// of RFC 2971, and without a field that only a proxy may write.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>
#include <vector>

#include "imap/id_command.h"
#include "imap/syntax.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace headgate;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  dialogue::ForwardedClient client;
  client.session_id = text.substr(0, 100);
  client.server_name = text.substr(size / 2);
  if (imap::parse_id(text, client.id) != imap::Parse::kOk) {
    client.id.resize(client.id.size() / 2);
  }
  std::vector<dialogue::IdField> sent;
  if (imap::parse_id(" " + imap::make_id_list(client), sent) != imap::Parse::kOk) {
    std::abort();
  }
  const std::size_t own = client.server_name.empty() ? 7 : 8;
  if (sent.size() < own || sent[sent.size() - own].key != "x-session-id") {
    std::abort();
  }
  for (std::size_t i = 0; i < sent.size() - own; ++i) {
    if (imap::starts_with_ignoring_case(sent[i].key, "x-")) {
      std::abort();
    }
  }
  return 0;
}
