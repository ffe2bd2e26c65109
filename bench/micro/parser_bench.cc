// The two dialogues of a login, from the first byte to the last: what Headgate itself adds to a
// login's TLS and system calls.

#include <benchmark/benchmark.h>

#include <string>
#include <string_view>
#include <variant>

#include "base/secret.h"
#include "imap/backend_login.h"
#include "imap/client_login.h"
#include "imap/client_login_profile.h"

namespace headgate::imap {
namespace {

const ClientLoginProfile& profile() {
  static const ClientLoginProfile made((ClientLoginOptions()));
  return made;
}

// Feeds `input` in pieces of `piece` bytes to a new dialogue until it has credentials; whether it
// had.
bool client_login(std::string_view input, std::size_t piece) {
  ClientLogin dialogue(profile());
  std::string out;
  dialogue.greet(out);
  while (!input.empty()) {
    const dialogue::Step step = dialogue.on_bytes(input.substr(0, piece), out);
    if (std::holds_alternative<dialogue::Authenticate>(step.action)) {
      dialogue.on_login_succeeded({"IMAP4rev1 IDLE", {}, "logged in", {}}, out);
      benchmark::DoNotOptimize(out.data());
      return true;
    }
    input.remove_prefix(step.consumed);
  }
  return false;
}

void run_client_login(benchmark::State& state, std::string_view input, std::size_t piece) {
  for (auto _ : state) {
    if (!client_login(input, piece)) {
      state.SkipWithError("the login was not understood");
      return;
    }
  }
}

constexpr std::string_view kLogin = "a1 LOGIN user00001@example.org \"correct horse\"\r\n";
constexpr std::string_view kPhone =
    "1 CAPABILITY\r\n2 ID (\"name\" \"Phone Mail\" \"version\" \"17.2\" \"os\" \"Phone OS\")\r\n"
    "3 AUTHENTICATE PLAIN AHVzZXIwMDAwMUBleGFtcGxlLm9yZwBjb3JyZWN0IGhvcnNl\r\n";
constexpr std::string_view kLiterals =
    "a1 LOGIN {21+}\r\nuser00001@example.org {13+}\r\ncorrect horse\r\n";

BENCHMARK_CAPTURE(run_client_login, login_in_one_piece, kLogin, kLogin.size());
BENCHMARK_CAPTURE(run_client_login, login_byte_by_byte, kLogin, 1);
BENCHMARK_CAPTURE(run_client_login, login_with_literals, kLiterals, kLiterals.size());
BENCHMARK_CAPTURE(run_client_login, capability_id_and_authenticate, kPhone, kPhone.size());

constexpr std::string_view kGreeting =
    "* OK [CAPABILITY IMAP4rev1 SASL-IR LITERAL+ ID ENABLE IDLE AUTH=PLAIN] ready\r\n";
constexpr std::string_view kWelcome =
    "* ID NIL\r\nH1 OK done\r\nH2 OK [CAPABILITY IMAP4rev1 IDLE NAMESPACE UIDPLUS] logged in\r\n";

dialogue::BackendLoginRequest request() {
  dialogue::BackendLoginRequest made;
  made.user = "user00001@example.org";
  made.password = Secret("correct horse");
  made.client.session_id = "0123456789abcdef";
  made.client.tls = true;
  return made;
}

void backend_login(benchmark::State& state) {
  for (auto _ : state) {
    BackendLogin dialogue{BackendLoginOptions()};
    Secret out;
    dialogue.on_bytes(kGreeting, out);
    benchmark::DoNotOptimize(dialogue.log_in(request(), out));
    benchmark::DoNotOptimize(dialogue.on_bytes(kWelcome, out));
  }
}
BENCHMARK(backend_login);

}  // namespace
}  // namespace headgate::imap
