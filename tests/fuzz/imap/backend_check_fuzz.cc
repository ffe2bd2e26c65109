// A whole check of a backend: the same must happen whatever way the bytes are cut, the password
// goes out at most once, and it always comes to an end or waits for more.
//
// Byte 0 chooses the level and STARTTLS, byte 1 the cuts, the rest is what the backend sends.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "imap/backend_check.h"

namespace {

using namespace headgate;

constexpr std::string_view kPassword = "s3cr3tw0rd";

std::string play(unsigned choice, std::string_view in, std::size_t chunk) {
  imap::BackendCheck check(static_cast<dialogue::CheckLevel>(choice & 3), (choice & 4) != 0);
  dialogue::BackendLoginRequest request;
  request.user = "probe";
  request.password = Secret(kPassword);
  request.forward_client = false;
  Secret out;
  dialogue::BackendStep step = check.log_in(std::move(request), out);
  std::string log;
  while (!in.empty() && std::holds_alternative<dialogue::NoAction>(step.event)) {
    const std::string_view piece = in.substr(0, chunk);
    step = check.on_bytes(piece, out);
    if (std::holds_alternative<dialogue::NoAction>(step.event) && step.consumed != piece.size()) {
      std::abort();
    }
    in.remove_prefix(step.consumed);
    if (std::holds_alternative<dialogue::StartTls>(step.event)) {
      step = check.on_tls_established(out);
    }
  }
  log += out.view();
  log += '<' + std::to_string(step.event.index()) + '>';
  if (const auto* failed = std::get_if<dialogue::BackendFailed>(&step.event)) {
    log += info(failed->failure).name;
    if (failed->detail.size() > 2000 || failed->detail.find(kPassword) == 0) {
      std::abort();
    }
  }
  const std::size_t first = log.find(kPassword);
  if (first != log.npos && log.find(kPassword, first + 1) != log.npos) {
    std::abort();
  }
  return log + std::string(dialogue::kCheckStageNames[static_cast<std::size_t>(check.stage())]);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) {
    return 0;
  }
  const std::string_view in(reinterpret_cast<const char*>(data) + 2, size - 2);
  const std::string whole = play(data[0], in, in.npos);
  if (play(data[0], in, 1) != whole || play(data[0], in, 2 + data[1] % 64) != whole) {
    std::abort();
  }
  return 0;
}
