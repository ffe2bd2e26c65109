#include <algorithm>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "net/record_protocol.h"

using headgate::net::kMaxRecord;
using headgate::net::RecordProtocol;
using headgate::net::TrafficSecret;

namespace {

constexpr std::string_view kUpdate{"\30\0\0\1\0", 5};  // its keys change with it

std::unique_ptr<RecordProtocol> make(bool server) {
  TrafficSecret of_client;
  TrafficSecret of_server;
  of_client.bytes.fill('c');
  of_server.bytes.fill('s');
  of_client.size = of_server.size = 32;
  return RecordProtocol::create(0x1301, server, server ? of_server : of_client,
                                server ? of_client : of_server);
}

}  // namespace

// A peer that has the keys and says what it likes: each piece of the input is a record, its first
// byte the content type, or goes unprotected where that is 0xff. Nothing may be given that was not
// sealed as data, in its order, and nothing after a failure or an end.
extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  const auto server = make(true);
  const auto client = make(false);
  std::string input;
  std::string said;
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  while (rest.size() >= 2) {
    const std::size_t length =
        std::min<std::size_t>(static_cast<unsigned char>(rest[1]), rest.size() - 2);
    const auto type = static_cast<unsigned char>(rest[0]);
    const std::string_view plain = rest.substr(2, length);
    rest.remove_prefix(2 + length);
    if (type == 0xff) {
      input += plain;
      continue;
    }
    std::string record(plain.size() + RecordProtocol::kOverhead, '\0');
    record.resize(
        type == 22 && plain == kUpdate
            ? client->seal_update(record.data())
            : client->seal(static_cast<RecordProtocol::Content>(type), plain, record.data()));
    input += record;
    // Zeros at the end of another type's text are padding, and what is before them the type.
    said += type == 23 || type == 0 ? std::string(plain) : std::string();
  }
  std::vector<char> into(kMaxRecord + 256);
  std::string got;
  std::size_t used = 0;
  for (;;) {
    const auto opened = server->open(std::span(input).subspan(used), into);
    if (opened.outcome != RecordProtocol::Outcome::kData) {
      const auto again = server->open(std::span(input).subspan(used), into);
      if (again.outcome == RecordProtocol::Outcome::kData) {
        std::abort();
      }
      break;
    }
    if (opened.used == 0 || opened.plain > kMaxRecord) {
      std::abort();
    }
    used += opened.used;
    got.append(opened.text != nullptr ? opened.text : "", opened.plain);
  }
  if (got.size() > said.size()) {
    std::abort();
  }
  return 0;
}
