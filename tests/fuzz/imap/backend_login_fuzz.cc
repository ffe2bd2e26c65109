// The whole dialogue with a backend: the same must happen whatever way the bytes are cut, what is
// kept is bounded, and the password goes out at most once and stands in no detail.
//
// Byte 0 chooses the pool and the request, byte 1 the cuts, the rest is what the backend sends.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <variant>

#include "imap/backend_login.h"

namespace {

using namespace headgate;
using imap::BackendLogin;

dialogue::BackendLoginRequest make_request(unsigned choice) {
  dialogue::BackendLoginRequest request;
  request.user = (choice & 2) != 0 ? "al\"ice" : "\xc3\xa4lice";
  request.password = Secret((choice & 4) != 0 ? "s3cr3tw0rd" : "s3cr3t\xc3\xa4w0rd");
  request.authorization = (choice & 8) != 0 ? "bob" : "";
  request.forward_client = (choice & 16) != 0;
  request.proof = static_cast<dialogue::BackendProof>(choice >> 6 & 3);
  return request;
}

struct Play {
  BackendLogin login;
  unsigned choice;
  Secret out;
  std::string log;
  bool over = false;
  bool in_clear = false;

  explicit Play(unsigned chosen) : login({(chosen & 1) != 0}), choice(chosen) {
    act(login.log_in(make_request(choice), out));
  }

  void act(const dialogue::BackendStep& step) {
    log += out.view();
    out.clear();
    if (!std::holds_alternative<dialogue::NoAction>(step.event)) {
      log += '<' + std::to_string(step.event.index()) + '>';
    }
    if (const auto* failed = std::get_if<dialogue::BackendFailed>(&step.event)) {
      log += info(failed->failure).name;
      if (failed->detail.size() > 2000) {
        std::abort();
      }
      over = true;
    } else if (const auto* in = std::get_if<dialogue::BackendLoggedIn>(&step.event)) {
      const auto& welcome = in->welcome;
      if (welcome.untagged.size() > BackendLogin::kMaxUntagged ||
          (!welcome.untagged.empty() && !welcome.untagged.ends_with("\r\n"))) {
        std::abort();
      }
      log +=
          welcome.capabilities + '|' + welcome.code + '|' + welcome.text + '|' + welcome.untagged;
      over = true;
    } else if (std::holds_alternative<dialogue::BackendReady>(step.event)) {
      std::abort();  // the request was there first
    } else if (std::holds_alternative<dialogue::StartTls>(step.event)) {
      in_clear = true;
    }
  }

  void feed(std::string_view part, std::size_t chunk) {
    while (!part.empty() && !over && !in_clear) {
      const std::string_view piece = part.substr(0, chunk);
      part.remove_prefix(piece.size());
      const auto step = login.on_bytes(piece, out);
      if (std::holds_alternative<dialogue::NoAction>(step.event) && step.consumed != piece.size()) {
        std::abort();
      }
      part = std::string_view(piece.data() + step.consumed,
                              piece.size() - step.consumed + part.size());
      act(step);
    }
    if (in_clear) {
      in_clear = false;
      act(login.on_tls_established(out));
    }
    if (over) {
      log += "<rest>";
      log += std::to_string(part.size());
    }
  }
};

std::string play(unsigned choice, std::string_view in, std::size_t chunk) {
  Play play(choice);
  play.feed(in.substr(0, in.size() / 2), chunk);
  play.feed(in.substr(in.size() / 2), chunk);
  return play.log;
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
