#include "config/admin.h"

#include <fmt/format.h>

#include <algorithm>

#include "config/moves.h"
#include "config/scalars.h"

namespace headgate::config {
namespace {

// Short enough to type, too long to guess.
constexpr std::size_t kShortestToken = 16;

const Choices<TokenRole> kRoles = {{"read", TokenRole::kRead}, {"operator", TokenRole::kOperator}};

void check_token(Reader& reader, const std::string& path, const AdminToken& token) {
  const std::string file = path + ".token_file";
  const std::string_view text = token.token.view();
  if (!reader.checks_files() || !reader.good(file)) {
    return;
  }
  if (text.size() < kShortestToken) {
    reader.refuse(file, fmt::format("a token of at least {} bytes in the first line of the file",
                                    kShortestToken));
  } else if (!std::ranges::all_of(text, [](char c) { return c > ' ' && c < 0x7F; })) {
    reader.refuse(file, "a token of printable ASCII characters without spaces");
  }
}

void check_tokens(Reader& reader, const std::string& path, const Admin& admin) {
  for (auto token = admin.tokens.begin(); token != admin.tokens.end(); ++token) {
    const std::string name = fmt::format("{}.tokens[{}].name", path, token - admin.tokens.begin());
    if (reader.good(name) &&
        std::ranges::find(admin.tokens.begin(), token, token->name, &AdminToken::name) != token) {
      reader.refuse(name, fmt::format("another name, found '{}' again", token->name));
    }
    const auto same = std::ranges::find_if(admin.tokens.begin(), token, [&](const auto& other) {
      return !other.token.empty() && other.token.equals(token->token.view());
    });
    if (same != token) {
      reader.refuse(fmt::format("{}.tokens[{}].token_file", path, token - admin.tokens.begin()),
                    fmt::format("another token than that of '{}', since the log names who did what",
                                same->name));
    }
  }
}

}  // namespace

Type<Admin> admin_type() {
  const auto token = section<AdminToken>(
      {
          key("name", &AdminToken::name, name_text(),
              "Who has it; in the log line of every change.",
              {.required = true, .example = "alice"}),
          key("role", &AdminToken::role, choice(kRoles),
              "read: looks at everything. operator: may change things too."),
          key("token_file", &AdminToken::token, secret_file(),
              "File whose first line is the token: at least 16 printable characters, random ones.",
              {.required = true, .secret = true, .example = "alice.token"}),
      },
      check_token);
  return section<Admin>(
      {
          key("address", &Admin::address, endpoint(),
              "Where /metrics, /healthz, /readyz and the JSON API are served. Not set: nowhere. "
              "The first three ask for no password; keep it off public networks. IPv4: Debian 12's "
              "HTTP library has no IPv6.",
              {.shown = true, .example = R"("127.0.0.1:9143")"}),
          key("tokens", &Admin::tokens, list_of(token, "a list of tokens"),
              "Who may use the JSON API. Without any it can be read on a loopback address and "
              "nothing can be changed; with some, every call needs one."),
          key("state_file", &Admin::state_file,
              file_to_write("a file in a folder that can be written to"),
              "Where drains, weights and pins that operators set are kept over a restart; beside "
              "it, "
              "in a file with .pools behind its name, who lives in which pool "
              "(users[].backend.keep). "
              "Not set: they end with the process.",
              {.example = "/var/lib/headgate/state.json"}),
          key("move_rate", &Admin::move_rate, number(1U, 100'000U),
              "Sessions a second that are ended at a backend whose users are to leave, unless the "
              "command says otherwise."),
          key("moves", &Admin::moves, moves_type(), "How users are moved to other backends."),
      },
      check_tokens);
}

}  // namespace headgate::config
