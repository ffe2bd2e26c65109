#include "config/scalars.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>

#include "base/ascii.h"
#include "config/pattern.h"
#include "config/scalar.h"

namespace headgate::config {
namespace {

constexpr std::size_t kMaxName = 64;
constexpr std::size_t kMaxDomain = 253;
constexpr std::string_view kAtomSpecials = "(){%*\"\\]";

bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
bool is_printable_ascii(char c) {
  return c >= ' ' && c <= '~';
}
bool is_control(char c) {
  return (c >= '\0' && c < ' ') || c == '\x7f';
}

// Text that fulfils a condition.
Type<std::string> checked_text(std::string expected, std::string json,
                               bool (*good)(std::string_view)) {
  return scalar<std::string>(
      std::move(expected), std::move(json),
      [good](std::string_view text) -> std::expected<std::string, std::string> {
        if (!good(text)) {
          return std::unexpected(std::string());
        }
        return std::string(text);
      },
      [](const std::string& text) { return yaml_text(text); });
}

// The parsers of base begin their errors with the word that ours are put behind.
template <typename T>
std::expected<T, std::string> parse_in_base(std::string_view text) {
  auto parsed = T::parse(text);
  if (!parsed) {
    constexpr std::string_view kWord = "expected ";
    const std::string& error = parsed.error();
    return std::unexpected(error.starts_with(kWord) ? error.substr(kWord.size()) : error);
  }
  return *parsed;
}

template <typename T>
Type<T> from_base(std::string expected) {
  return scalar<T>(std::move(expected), R"("type": "string")", parse_in_base<T>,
                   [](const T& value) { return yaml_text(value.to_string()); });
}

}  // namespace

bool is_name(std::string_view text) {
  return !text.empty() && text.size() <= kMaxName && std::ranges::all_of(text, [](char c) {
    return is_letter(c) || is_digit(c) || c == '_' || c == '-' || c == '.';
  });
}

Type<std::string> name_text() {
  return checked_text(std::string(kNameExpected),
                      R"("type": "string", "pattern": "^[A-Za-z0-9_.-]{1,64}$")", is_name);
}

Type<std::string> text(std::string_view what, std::size_t limit) {
  return scalar<std::string>(
      fmt::format("{} of 1 to {} bytes on one line", what, limit),
      R"("type": "string", "minLength": 1)",
      [limit](std::string_view text) -> std::expected<std::string, std::string> {
        if (text.empty() || text.size() > limit || std::ranges::any_of(text, is_control)) {
          return std::unexpected(std::string());
        }
        return std::string(text);
      },
      [](const std::string& value) { return value.empty() ? "" : yaml_text(value); });
}

Type<std::string> greeting_text() {
  return checked_text("1 to 200 characters of printable ASCII, the first one not '['",
                      R"("type": "string", "pattern": "^[ -Z\\\\-~][ -~]{0,199}$")",
                      [](std::string_view text) {
                        return !text.empty() && text.size() <= 200 && text.front() != '[' &&
                               std::ranges::all_of(text, is_printable_ascii);
                      });
}

Type<std::string> capability() {
  return checked_text(
      "a capability name (an IMAP atom of at most 64 characters)",
      R"("type": "string", "pattern": "^[^ (){%*\"\\\\\\]]{1,64}$")", [](std::string_view text) {
        return !text.empty() && text.size() <= kMaxName && std::ranges::all_of(text, [](char c) {
          return is_printable_ascii(c) && c != ' ' && !kAtomSpecials.contains(c);
        });
      });
}

Type<std::string> domain() {
  return scalar<std::string>(
      "a domain, for example example.org", R"("type": "string", "minLength": 1)",
      [](std::string_view text) -> std::expected<std::string, std::string> {
        if (text.empty() || text.size() > kMaxDomain || text.contains('@') || text.contains(' ') ||
            std::ranges::any_of(text, is_control)) {
          return std::unexpected(std::string());
        }
        return lower_case(text);
      },
      [](const std::string& value) { return value.empty() ? "" : yaml_text(value); });
}

Type<std::string> service_name() {
  return scalar<std::string>(
      "the name of a service, for example _imaps._tcp.example.org",
      R"("type": "string", "minLength": 1)",
      [](std::string_view text) -> std::expected<std::string, std::string> {
        if (!text.starts_with('_') || !text.contains('.') || !is_host_name(text)) {
          return std::unexpected(std::string());
        }
        return lower_case(text.ends_with('.') ? text.substr(0, text.size() - 1) : text);
      },
      [](const std::string& value) { return yaml_text(value); });
}

Type<std::string> pattern() {
  return scalar<std::string>(
      "a regular expression (ECMAScript syntax)", R"("type": "string", "minLength": 1)",
      [](std::string_view text) -> std::expected<std::string, std::string> {
        if (const auto compiled = compile_pattern(text); !compiled) {
          return std::unexpected(compiled.error());
        }
        return std::string(text);
      },
      [](const std::string& value) { return value.empty() ? "" : yaml_text(value); });
}

Type<bool> boolean() {
  return scalar<bool>(
      "true or false", R"("type": "boolean")",
      [](std::string_view text) -> std::expected<bool, std::string> {
        if (text != "true" && text != "false") {
          return std::unexpected(std::string());
        }
        return text == "true";
      },
      [](const bool& value) -> std::string { return value ? "true" : "false"; });
}

Type<Endpoint> endpoint() {
  return from_base<Endpoint>("ADDRESS:PORT, for example 192.0.2.1:993 or [2001:db8::1]:993");
}

Type<HostPort> host_port() {
  const std::string expected =
      "HOST:PORT with a port from 1 to 65535, for example mail1.example.org:993 or "
      "[2001:db8::1]:993";
  return scalar<HostPort>(
      expected, R"("type": "string")",
      [](std::string_view text) -> std::expected<HostPort, std::string> {
        auto parsed = HostPort::parse(text);
        if (!parsed || parsed->port == 0) {
          return std::unexpected(std::string());
        }
        return *parsed;
      },
      [](const HostPort& value) { return yaml_text(value.to_string()); });
}

Type<SocketAddress> socket_address() {
  return from_base<SocketAddress>(
      "the absolute path of a Unix socket, at most 107 bytes, or HOST:PORT, for example "
      "/run/dovecot/auth-headgate or 192.0.2.1:4143");
}

Type<LocalAddress> local_address() {
  return from_base<LocalAddress>(
      "ADDRESS:PORT or the absolute path of a Unix socket, at most 107 bytes, for example "
      "127.0.0.1:9143, [::1]:9143 or /run/headgate/admin.sock");
}

Type<unsigned> file_mode() {
  return scalar<unsigned>(
      "three octal digits, with or without a 0 before them, for example 0660",
      R"("type": ["string", "integer"], "pattern": "^0?[0-7]{3}$")",
      [](std::string_view text) -> std::expected<unsigned, std::string> {
        if (text.size() == 4 && text.front() == '0') {
          text.remove_prefix(1);
        }
        unsigned mode = 0;
        const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), mode, 8);
        if (text.size() != 3 || error != std::errc() || end != text.data() + text.size()) {
          return std::unexpected(std::string());
        }
        return mode;
      },
      [](const unsigned& mode) { return fmt::format("\"{:04o}\"", mode); });
}

std::string to_string(const SqlHost& host) {
  return host.port == 0 ? host.host
                        : HostPort{host.host, static_cast<std::uint16_t>(host.port)}.to_string();
}

Type<SqlHost> sql_host() {
  return scalar<SqlHost>(
      "HOST, HOST:PORT or the absolute path of a Unix socket, for example db1.example.org, "
      "192.0.2.1:5433 or [2001:db8::1]:5433",
      R"("type": "string", "minLength": 1)",
      [](std::string_view text) -> std::expected<SqlHost, std::string> {
        if (const auto both = HostPort::parse(text); both && both->port != 0) {
          return SqlHost{both->host, both->port};
        }
        const bool is_path = SocketAddress::parse(text) && text.starts_with('/') &&
                             std::ranges::none_of(text, is_control);
        if (is_path || is_host_name(text) || IpAddress::parse(text)) {
          return SqlHost{std::string(text)};
        }
        return std::unexpected(std::string());
      },
      [](const SqlHost& host) { return yaml_text(to_string(host)); });
}

Type<Url> url() {
  return from_base<Url>(
      "http://HOST:PORT/PATH, the same with https, or http://unix:SOCKET:/PATH, for example "
      "http://127.0.0.1:8080/auth");
}

Type<std::string> header_name() {
  return checked_text(
      "the name of a header that neither HTTP nor the protocol uses, at most 64 letters, digits, "
      "'-' and '_'",
      R"("type": "string", "pattern": "^[A-Za-z0-9_-]{1,64}$")", [](std::string_view text) {
        constexpr std::array<std::string_view, 8> kTaken = {
            "host",   "connection",      "content-length", "transfer-encoding",
            "expect", "accept-encoding", "content-type",   "upgrade"};
        const std::string lower = lower_case(text);
        return !text.empty() && text.size() <= kMaxName &&
               std::ranges::all_of(
                   text,
                   [](char c) { return is_letter(c) || is_digit(c) || c == '-' || c == '_'; }) &&
               std::ranges::find(kTaken, lower) == kTaken.end() && !lower.starts_with("auth-") &&
               !lower.starts_with("proxy-protocol-") && lower != "client-ip";
      });
}

Type<Network> network() {
  return from_base<Network>("a network in CIDR form, for example 10.0.0.0/8 or 2001:db8::/32");
}

std::string choices_expected(const std::vector<std::string_view>& words) {
  std::string text = words.size() == 1 ? "" : "one of ";
  for (std::size_t i = 0; i < words.size(); ++i) {
    text.append(i == 0 ? "" : ", ").append(words[i]);
  }
  return text;
}

std::string choices_json(const std::vector<std::string_view>& words) {
  std::string json = R"("enum": [)";
  for (std::size_t i = 0; i < words.size(); ++i) {
    json.append(i == 0 ? "" : ", ").append(json_text(words[i]));
    // 1.2 without quotes is a number to YAML, and the reader takes it as well.
    if (is_digit(words[i].front())) {
      json.append(", ").append(words[i]);
    }
  }
  return json + "]";
}

std::string yaml_text(std::string_view text) {
  const auto plain = [](char c) {
    return is_letter(c) || is_digit(c) || c == '_' || c == '-' || c == '.' || c == '/';
  };
  const bool bare = !text.empty() && is_letter(text.front()) && std::ranges::all_of(text, plain) &&
                    text != "true" && text != "false" && text != "null";
  return bare ? std::string(text) : json_text(text);
}

std::string json_text(std::string_view text) {
  std::string json = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      json.append(1, '\\').append(1, c);
    } else if (is_control(c)) {
      json.append(fmt::format("\\u{:04x}", static_cast<unsigned>(c)));
    } else {
      json.append(1, c);
    }
  }
  return json + "\"";
}

}  // namespace headgate::config
