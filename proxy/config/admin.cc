#include "config/admin.h"

#include <fmt/format.h>
#include <grp.h>

#include <algorithm>
#include <charconv>

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

void check_admin(Reader& reader, const std::string& path, const Admin& admin) {
  check_tokens(reader, path, admin);
  const std::string group = path + ".socket_group";
  if (admin.socket_group && reader.good(group) && reader.checks_files() &&
      !group_id(*admin.socket_group)) {
    reader.refuse(group, fmt::format("a group of this machine, by name or number, found '{}'",
                                     *admin.socket_group));
  }
  const bool by_unix = std::ranges::any_of(
      admin.addresses, [](const LocalAddress& address) { return !address.path.empty(); });
  for (const char* key : {".socket_mode", ".socket_group"}) {
    if (!by_unix && reader.has(path + key) && reader.good(path + ".address")) {
      reader.refuse(path + key, "the path of a Unix socket in admin.address, found none");
    }
  }
}

}  // namespace

std::optional<::gid_t> group_id(const std::string& name) {
  ::gid_t number = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
  if (error == std::errc() && end == name.data() + name.size()) {
    return number;
  }
  const ::group* found = ::getgrnam(name.c_str());
  return found != nullptr ? std::optional(found->gr_gid) : std::nullopt;
}

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
          key("address", &Admin::addresses, one_or_more(local_address()),
              "Where /metrics, /healthz, /readyz and the JSON API are served. Not set: nowhere. "
              "The first three ask for no password; keep it off public networks. Whoever may open "
              "a Unix socket may use all of the API.",
              {.shown = true, .example = R"("127.0.0.1:9143")"}),
          key("socket_mode", &Admin::socket_mode, file_mode(),
              "Who may open the Unix sockets of address, as the bits of their files. By default "
              "root and the user that Headgate runs as, since they may do everything."),
          key("socket_group", &Admin::socket_group, name_text(),
              "The group of these files, by name or number; the process must be in it unless it "
              "runs as root. Not set: the group of the process.",
              {.example = "headgate-operators"}),
          key("tokens", &Admin::tokens, list_of(token, "a list of tokens"),
              "Who may use the JSON API at an address with a port. Without any it can be read on a "
              "loopback address and nothing can be changed; with some, every call needs one."),
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
      check_admin);
}

}  // namespace headgate::config
