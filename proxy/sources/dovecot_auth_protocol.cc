#include "sources/dovecot_auth_protocol.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "auth/forwarded_fields.h"
#include "auth/max_sessions.h"
#include "base/ascii.h"
#include "base/base64.h"
#include "base/one_line.h"
#include "base/printable.h"
#include "base/utf8.h"

namespace headgate::sources {
namespace {

using dialogue::LoginFailure;
using std::chrono::milliseconds;

constexpr std::size_t kLongestReason = 512;
constexpr milliseconds kLongestProxyTimeout{3'600'000};

// What stands before the next tab, cut off `rest` with it.
std::string_view take_tab_field(std::string_view& rest) {
  const std::size_t end = std::min(rest.find('\t'), rest.size());
  const std::string_view taken = rest.substr(0, end);
  rest.remove_prefix(std::min(end + 1, rest.size()));
  return taken;
}

// The bytes that a field cannot hold, each with what stands for it behind \001.
constexpr std::array<std::pair<char, char>, 5> kEscapes = {
    {{'\0', '0'}, {'\001', '1'}, {'\t', 't'}, {'\r', 'r'}, {'\n', 'n'}}};

void append_tab_escaped(std::string_view text, Secret& out) {
  for (const char c : text) {
    const auto* escape = std::ranges::find(kEscapes, c, &std::pair<char, char>::first);
    if (escape == kEscapes.end()) {
      out.append(c);
    } else {
      out.append('\001');
      out.append(escape->second);
    }
  }
}

Secret unescaped(std::string_view text) {
  Secret plain;
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (text[at] != '\001' || at + 1 == text.size()) {
      plain.append(text[at]);
      continue;
    }
    const char code = text[++at];
    const auto* escape = std::ranges::find(kEscapes, code, &std::pair<char, char>::second);
    plain.append(escape == kEscapes.end() ? code : escape->first);
  }
  return plain;
}

template <typename Number>
std::optional<Number> number_in(std::string_view text) {
  Number number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const bool whole = !text.empty() && end == text.data() + text.size() && error == std::errc();
  return whole ? std::optional(number) : std::nullopt;
}

std::expected<DovecotAuthLine, std::string> with_id(DovecotAuthLine line, std::string_view rest) {
  const auto id = number_in<std::uint32_t>(take_tab_field(rest));
  if (!id || *id == 0) {
    return std::unexpected("expected the number of a request");
  }
  line.id = *id;
  line.fields = rest;
  if (line.kind == DovecotAuthLine::Kind::kContinue) {
    const std::string_view encoded = take_tab_field(rest);
    auto message = encoded == "#" ? Secret() : base64_decode(encoded);
    if (!message) {
      return std::unexpected("expected base64 behind CONT");
    }
    line.message = *std::move(message);
  }
  return line;
}

// The extra fields that count. Of one that is there twice the last one does.
struct Fields {
  explicit Fields(std::string_view rest) {
    while (!rest.empty()) {
      const std::string_view field = take_tab_field(rest);
      const std::size_t equals = std::min(field.find('='), field.size());
      const std::string_view name = field.substr(0, equals);
      const std::string_view value = field.substr(std::min(equals + 1, field.size()));
      if (name.starts_with(auth::kForwardPrefix)) {
        forward.emplace_back(name, unescaped(value).view());
      } else if (name == "pass") {
        password = std::make_shared<const Secret>(unescaped(value));
      } else if (std::optional<std::string>* place = find(name)) {
        *place = std::string(unescaped(value).view());
      }
    }
  }

  std::optional<std::string>* find(std::string_view name) {
    const std::array<std::pair<std::string_view, std::optional<std::string>*>, 21> known = {
        {{"user", &user},
         {"proxy", &proxy},
         {"proxy_maybe", &proxy_maybe},
         {"host", &host},
         {"hostip", &hostip},
         {"port", &port},
         {"ssl", &ssl},
         {"starttls", &starttls},
         {"destuser", &destuser},
         {"master", &master},
         {"proxy_timeout", &proxy_timeout},
         {"proxy_mech", &proxy_mech},
         {"headgate_pool", &pool},
         {"headgate_max_sessions", &max_sessions},
         {"nologin", &nologin},
         {"reason", &reason},
         {"code", &code},
         {"temp", &temp},
         {"authz", &authz},
         {"user_disabled", &user_disabled},
         {"pass_expired", &pass_expired}}};
    const auto* found = std::ranges::find_if(known, [&](const auto& k) { return k.first == name; });
    return found == known.end() ? nullptr : found->second;
  }

  std::optional<std::string> user, proxy, proxy_maybe, host, hostip, port, ssl, starttls, destuser,
      master, proxy_timeout, proxy_mech, pool, max_sessions, nologin, reason, code, temp, authz,
      user_disabled, pass_expired;
  std::shared_ptr<const Secret> password;
  std::vector<std::pair<std::string, std::string>> forward;
};

bool is_yes(const std::optional<std::string>& field) {
  return field && *field != "n" && *field != "no" && *field != "0" && *field != "false";
}

bool is_name(std::string_view text) {
  return !text.empty() && is_one_line(text) && is_utf8(text);
}

// For the eyes of a client: one line of bounded length without control characters.
std::string reason_for_client(std::string_view reason) {
  std::string text(reason.substr(0, kLongestReason));
  std::ranges::replace_if(
      text, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == '\x7f'; }, '?');
  return text;
}

// "30", "30s", "30 secs", "500 msecs", "2 mins".
std::optional<milliseconds> parse_time(std::string_view text) {
  const std::size_t end = std::min(text.find_first_not_of("0123456789"), text.size());
  const auto number = number_in<std::uint32_t>(text.substr(0, end));
  std::string_view unit = text.substr(end);
  unit.remove_prefix(std::min(unit.find_first_not_of(' '), unit.size()));
  const std::int64_t factor = unit.empty() || unit == "s" || unit == "sec" || unit == "secs" ? 1000
                              : unit == "ms" || unit == "msec" || unit == "msecs"            ? 1
                              : unit == "m" || unit == "min" || unit == "mins" ? 60'000
                                                                               : 0;
  if (!number || factor == 0) {
    return std::nullopt;
  }
  return std::min(milliseconds(*number * factor), kLongestProxyTimeout);
}

// Where the fields send the user. An error for the log.
std::optional<std::string> set_backend(const Fields& fields, auth::Route& route) {
  if (is_yes(fields.starttls)) {
    route.tls = auth::BackendTls::kStartTls;
  } else if (is_yes(fields.ssl)) {
    route.tls = auth::BackendTls::kImplicit;
  }
  route.any_certificate = fields.ssl == "any-cert" || fields.starttls == "any-cert";
  if (!fields.host && !fields.hostip) {
    return std::nullopt;  // to whichever backend the pool has for the user
  }
  const std::string host = fields.host ? *fields.host : *fields.hostip;
  const unsigned usual = route.tls == auth::BackendTls::kImplicit ? 993 : 143;
  const auto port = fields.port ? number_in<std::uint16_t>(*fields.port)
                                : std::optional(static_cast<std::uint16_t>(usual));
  const auto backend = HostPort::parse(fmt::format(
      "{}:{}", host.contains(':') ? fmt::format("[{}]", host) : host, port.value_or(0)));
  if (!backend || backend->port == 0) {
    return fmt::format("expected a host in host and a port in port, found '{}' and '{}'",
                       printable(host), printable(fields.port.value_or("")));
  }
  route.backend = *backend;
  if (fields.hostip) {
    const auto ip = IpAddress::parse(*fields.hostip);
    if (!ip) {
      return fmt::format("expected an address in hostip, found '{}'", printable(*fields.hostip));
    }
    route.addresses.push_back({.ip = *ip, .port = backend->port});
  }
  return std::nullopt;
}

// Of a `pass`. Every other mechanism shows a password, and the pool says by which.
dialogue::BackendProof proof_by(std::string_view mechanism) {
  if (equals_ignoring_case(mechanism, "XOAUTH2")) {
    return dialogue::BackendProof::kXoauth2;
  }
  return equals_ignoring_case(mechanism, "OAUTHBEARER") ? dialogue::BackendProof::kOauthbearer
                                                        : dialogue::BackendProof::kPassword;
}

// What the fields say beside that. An error for the log.
std::optional<std::string> set_login(const Fields& fields, auth::Route& route) {
  if (fields.destuser) {
    route.user = *fields.destuser;
  }
  if (!is_name(route.user) || (fields.master && !is_name(*fields.master))) {
    return "expected names in user, destuser and master";
  }
  if (fields.password && !is_one_line(fields.password->view())) {
    return "expected a password of one line in pass";
  }
  route.password = fields.password;
  route.use_master = fields.password == nullptr;
  if (fields.password) {
    route.master = fields.master;
    route.proof = proof_by(fields.proxy_mech.value_or(""));
  }
  for (const auto& [name, value] : fields.forward) {
    if (auto added = auth::add_forwarded(name, value, route); !added) {
      return std::move(added.error());
    }
  }
  if (auto set =
          auth::set_max_sessions("headgate_max_sessions", fields.max_sessions.value_or(""), route);
      !set) {
    return std::move(set.error());
  }
  if (fields.proxy_timeout) {
    route.login_timeout = parse_time(*fields.proxy_timeout);
    if (!route.login_timeout) {
      return fmt::format("expected a time in proxy_timeout, found '{}'",
                         printable(*fields.proxy_timeout));
    }
  }
  return std::nullopt;
}

LoginFailure failure_in(const Fields& fields) {
  const std::string_view code = fields.code ? std::string_view(*fields.code) : "";
  if (fields.temp || code == "temp_fail") {
    return LoginFailure::kLookupUnavailable;
  }
  if (fields.authz || code == "authz_fail" || code == "authzfail") {
    return LoginFailure::kAuthorizationRefused;
  }
  if (fields.user_disabled || code == "user_disabled" || fields.nologin) {
    return LoginFailure::kAccountDisabled;
  }
  if (fields.pass_expired || code == "pass_expired") {
    return LoginFailure::kExpired;
  }
  return LoginFailure::kWrongCredentials;
}

}  // namespace

std::expected<DovecotAuthLine, std::string> parse_dovecot_auth_line(std::string_view line) {
  using Kind = DovecotAuthLine::Kind;
  std::string_view rest = line;
  const std::string_view command = take_tab_field(rest);
  DovecotAuthLine parsed;
  parsed.fields = rest;
  if (command == "VERSION") {
    parsed.kind = Kind::kVersion;
    if (take_tab_field(rest) != "1" || !number_in<std::uint32_t>(take_tab_field(rest))) {
      return std::unexpected("expected version 1 of the protocol");
    }
  } else if (command == "MECH") {
    parsed.kind = Kind::kMechanism;
    if (take_tab_field(rest).empty()) {
      return std::unexpected("expected the name of a mechanism");
    }
  } else if (command == "DONE") {
    parsed.kind = Kind::kDone;
  } else if (command == "CONT" || command == "OK" || command == "FAIL") {
    parsed.kind = command == "CONT" ? Kind::kContinue : command == "OK" ? Kind::kOk : Kind::kFail;
    return with_id(std::move(parsed), rest);
  } else if (command.empty()) {
    return std::unexpected("expected a command");
  }
  return parsed;
}

std::string dovecot_auth_hello(std::uint32_t client_id) {
  return fmt::format("VERSION\t1\t2\nCPID\t{}\n", client_id);
}

std::string_view dovecot_auth_mechanism(const dialogue::Credentials& credentials) {
  return credentials.by_password() ? "PLAIN" : std::string_view(credentials.mechanism);
}

Secret dovecot_auth_message(const dialogue::Credentials& credentials) {
  Secret message;
  if (credentials.by_certificate()) {
    message.append(credentials.user);
    return message;
  }
  if (!credentials.by_token()) {
    message.append('\0');
    message.append(credentials.user);
    message.append('\0');
    message.append(credentials.secret.view());
    return message;
  }
  if (credentials.mechanism == "XOAUTH2") {
    message.append("user=");
    message.append(credentials.user);
  } else {
    message.append(credentials.user.empty() ? "n," : "n,a=");
    for (const char c : credentials.user) {
      message.append(c == ',' ? "=2C" : c == '=' ? "=3D" : std::string_view(&c, 1));
    }
    message.append(',');
  }
  message.append("\001auth=Bearer ");
  message.append(credentials.secret.view());
  message.append("\001\001");
  return message;
}

Secret dovecot_auth_request(std::uint32_t id, std::string_view mechanism, std::string_view service,
                            const auth::LoginRequest& request, const Secret* message) {
  Secret line(fmt::format("AUTH\t{}\t{}\tservice={}", id, mechanism, service));
  const auto add = [&line](std::string_view name, std::string_view value) {
    line.append('\t');
    line.append(name);
    append_tab_escaped(value, line);
  };
  if (request.tls) {
    add("secured=tls", "");
  }
  // Whom it takes for a guesser it keeps waiting for 15 s, and Headgate would take that for a
  // server that hangs. It has a guard of its own.
  add("no-penalty", "");
  add("session=", request.session_id);
  add("lip=", request.connected.ip.to_string());
  add("rip=", request.client.ip.to_string());
  add("lport=", std::to_string(request.connected.port));
  add("rport=", std::to_string(request.client.port));
  if (!request.server_name.empty()) {
    add("local_name=", request.server_name);
  }
  // What Dovecot's login processes tell by default: ssl_cert_username_field = commonName.
  if (request.credentials.by_certificate() && request.certificate) {
    const auto& names = request.certificate->of(net::CertificateField::kCommonName);
    add("valid-client-cert", "");
    add("cert_username=", names.size() == 1 ? std::string_view(names.front()) : "");
  }
  if (message != nullptr) {
    line.append("\tresp=");
    base64_encode(message->view(), line);
    if (message->empty()) {
      line.append('=');  // else it would be none
    }
  }
  if (line.size() > kLongestDovecotAuthLine) {
    return {};
  }
  line.append('\n');
  return line;
}

Secret dovecot_auth_continue(std::uint32_t id, const Secret& message) {
  Secret line(fmt::format("CONT\t{}\t", id));
  base64_encode(message.view(), line);
  if (line.size() > kLongestDovecotAuthLine) {
    return {};
  }
  line.append('\n');
  return line;
}

std::string dovecot_auth_cancel(std::uint32_t id) {
  return fmt::format("CANCEL\t{}\n", id);
}

auth::LookupResult dovecot_auth_accepted(std::string_view text,
                                         const dialogue::Credentials& credentials,
                                         DovecotAuthTrust trust) {
  const Fields fields(text);
  const auto senseless = [](std::string why) {
    return auth::Rejected{.failure = LoginFailure::kLookupUnavailable,
                          .detail = "Dovecot's answer: " + std::move(why)};
  };
  if (!fields.user || !is_name(*fields.user)) {
    return senseless("expected a name in user");
  }
  if (is_yes(fields.nologin)) {
    return auth::Rejected{.failure = LoginFailure::kAccountDisabled,
                          .text = reason_for_client(fields.reason.value_or("")),
                          .detail = "nologin"};
  }
  auth::Route route{.user = *fields.user, .pool = fields.pool, .backend = {}};
  // The name in a message of these was read to count failures by; what counts is Dovecot's.
  if (credentials.user.empty() || credentials.by_certificate() ||
      credentials.mechanism == "DIGEST-MD5" || credentials.mechanism == "OTP") {
    route.name = *fields.user;
  }
  auto wrong = set_login(fields, route);
  if (trust == DovecotAuthTrust::kPerhapsOpen && credentials.by_password()) {
    route.use_master = false;  // only the backend may judge
  }
  if (!wrong && (is_yes(fields.proxy) || is_yes(fields.proxy_maybe))) {
    wrong = set_backend(fields, route);
  }
  if (wrong) {
    return senseless(*std::move(wrong));
  }
  return auth::Accepted{std::move(route)};
}

auth::Rejected dovecot_auth_rejected(std::string_view text) {
  const Fields fields(text);
  auth::Rejected rejected{.failure = failure_in(fields),
                          .text = reason_for_client(fields.reason.value_or(""))};
  if (rejected.failure == LoginFailure::kLookupUnavailable) {
    rejected.text.clear();  // of no use to a client
    rejected.detail = "Dovecot's answer: temporary failure";
  } else if (fields.code) {
    rejected.detail = fmt::format("code {}", printable(*fields.code));
  }
  return rejected;
}

std::string dovecot_master_request(std::string_view service, std::string_view user) {
  Secret line("VERSION\t1\t1\nPASS\t1\t");
  append_tab_escaped(user, line);
  line.append("\tservice=");
  line.append(service);
  line.append('\n');
  return std::string(line.view());
}

std::optional<auth::LookupResult> dovecot_master_answer(std::string_view line,
                                                        std::string_view user) {
  const std::string_view command = take_tab_field(line);
  if (command != "PASS" && command != "NOTFOUND" && command != "FAIL") {
    return std::nullopt;
  }
  if (take_tab_field(line) != "1") {
    return auth::Unavailable{"expected the number of the request"};
  }
  if (command == "NOTFOUND") {
    return auth::Rejected{.failure = LoginFailure::kWrongCredentials};
  }
  if (command == "FAIL") {
    const Fields fields(line);
    return auth::Unavailable{"Dovecot's answer: " + printable(fields.reason.value_or("FAIL"))};
  }
  return dovecot_auth_accepted(line, {"PLAIN", std::string(user), {}}, DovecotAuthTrust::kChecked);
}

}  // namespace headgate::sources
