#include "sources/auth_http_protocol.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "auth/forwarded_fields.h"
#include "auth/max_sessions.h"
#include "base/ascii.h"
#include "base/base64.h"
#include "base/printable.h"

namespace headgate::sources {
namespace {

using dialogue::LoginFailure;

constexpr std::size_t kLongestText = 512;
constexpr std::string_view kForwardHeader = "Headgate-Forward-";

void append_escaped(std::string_view text, Secret& out) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte > 0x20 && c != '%') {
      out.append(c);
    } else {
      out.append('%');
      out.append(kDigits[byte >> 4]);
      out.append(kDigits[byte & 15]);
    }
  }
}

Secret line(std::string_view name, std::string_view value) {
  Secret made(name);
  made.append(": ");
  made.append(value);
  return made;
}

Secret escaped_line(std::string_view name, std::string_view value) {
  Secret made(name);
  made.append(": ");
  append_escaped(value, made);
  return made;
}

// nginx knows LOGIN, in both its forms, as plain; all others have their own names.
std::string method_of(std::string_view mechanism) {
  return mechanism == "LOGIN" ? "plain" : lower_case(mechanism);
}

// What nginx tells of a client's certificate, or that there is none.
void add_certificate(const auth::LoginRequest& request, bool whole, std::vector<Secret>& lines) {
  const net::UnverifiedCertificate* unverified = request.unverified_certificate.get();
  if (request.certificate == nullptr && unverified == nullptr) {
    lines.push_back(line("Auth-SSL-Verify", "NONE"));
    return;
  }
  const net::CertificateText& text =
      request.certificate ? request.certificate->text : unverified->text;
  lines.push_back(
      line("Auth-SSL-Verify", request.certificate ? "SUCCESS" : "FAILED:" + unverified->why));
  const std::array<std::pair<std::string_view, std::string_view>, 4> known = {
      {{"Auth-SSL-Subject", text.subject},
       {"Auth-SSL-Issuer", text.issuer},
       {"Auth-SSL-Serial", text.serial},
       {"Auth-SSL-Fingerprint", text.fingerprint}}};
  for (const auto& [name, value] : known) {
    if (!value.empty()) {
      lines.push_back(line(name, value));
    }
  }
  if (whole && !text.pem.empty()) {
    lines.push_back(escaped_line("Auth-SSL-Cert", text.pem));
  }
}

// One line of `head`, cut off it, without its end.
std::string_view take_line(std::string_view& head) {
  const std::size_t end = std::min(head.find('\n'), head.size());
  std::string_view taken = head.substr(0, end);
  head.remove_prefix(std::min(end + 1, head.size()));
  if (taken.ends_with('\r')) {
    taken.remove_suffix(1);
  }
  return taken;
}

std::string_view trimmed(std::string_view value) {
  const auto blank = [](char c) { return c == ' ' || c == '\t'; };
  while (!value.empty() && blank(value.front())) {
    value.remove_prefix(1);
  }
  while (!value.empty() && blank(value.back())) {
    value.remove_suffix(1);
  }
  return value;
}

// For the eyes of a client: bounded, and no byte that could end a line or move a cursor.
std::string client_text(std::string_view value) {
  std::string text(value.substr(0, kLongestText));
  std::ranges::replace_if(
      text, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == '\x7f'; }, '?');
  return text;
}

std::optional<unsigned> whole_number(std::string_view text, unsigned largest) {
  unsigned number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const bool whole = !text.empty() && end == text.data() + text.size();
  if (whole && error == std::errc::result_out_of_range) {
    return largest;
  }
  return whole && error == std::errc() ? std::optional(std::min(number, largest)) : std::nullopt;
}

// The headers that count, the last of each name; a null pointer means that it was not there.
struct Headers {
  std::optional<std::string_view> status, server, port, user, password, wait, challenge,
      max_sessions;

  std::optional<std::string_view>* find(std::string_view name) {
    const std::array<std::pair<std::string_view, std::optional<std::string_view>*>, 8> known = {
        {{"Auth-Status", &status},
         {"Auth-Server", &server},
         {"Auth-Port", &port},
         {"Auth-User", &user},
         {"Auth-Pass", &password},
         {"Auth-Wait", &wait},
         {"Auth-Error-SASL", &challenge},
         {"Headgate-Max-Sessions", &max_sessions}}};
    for (const auto& [word, place] : known) {
      if (equals_ignoring_case(word, name)) {
        return place;
      }
    }
    return nullptr;
  }
};

// Of several statuses nginx heeds a refusal before WAIT, and that before OK.
int weight_of(std::string_view status) {
  return status == "OK" ? 0 : status == "WAIT" ? 1 : 2;
}

// A refusal is one, whatever is wrong with what the client is to be told besides.
void take_challenge(std::string_view encoded, AuthHttpReply& reply) {
  if (encoded.size() > AuthHttpReply::kLongestChallenge) {
    reply.fault = "Auth-Error-SASL is too long";
  } else if (const auto bytes = base64_decode(encoded)) {
    reply.challenge = bytes->view();
  } else {
    reply.fault = "Auth-Error-SASL is no base64";
  }
}

using Reply = std::expected<AuthHttpReply, std::string>;

Reply with_backend(AuthHttpReply reply, const Headers& headers) {
  if (!headers.server || !headers.port) {
    return std::unexpected(
        fmt::format("expected Auth-Status, or Auth-Server and Auth-Port; found {}",
                    headers.server ? "no Auth-Port"
                    : headers.port ? "no Auth-Server"
                                   : "neither"));
  }
  std::string_view host = *headers.server;
  if (host.starts_with('[') && host.ends_with(']')) {
    host = host.substr(1, host.size() - 2);
  }
  const std::string bracketed = host.contains(':') ? fmt::format("[{}]", host) : std::string(host);
  const auto backend = HostPort::parse(fmt::format("{}:{}", bracketed, *headers.port));
  if (!backend || backend->port == 0) {
    return std::unexpected(
        fmt::format("expected an address or a host name in Auth-Server and a "
                    "port in Auth-Port; found '{}' and '{}'",
                    printable(*headers.server), printable(*headers.port)));
  }
  reply.backend = *backend;
  return reply;
}

// What kind of failure a response code in front of a refusal's text speaks of.
LoginFailure failure_of(std::string_view text) {
  constexpr std::array<std::pair<std::string_view, LoginFailure>, 9> kCodes = {
      {{"UNAVAILABLE", LoginFailure::kLookupUnavailable},
       {"INUSE", LoginFailure::kLookupUnavailable},
       {"SERVERBUG", LoginFailure::kLookupUnavailable},
       {"EXPIRED", LoginFailure::kExpired},
       {"CONTACTADMIN", LoginFailure::kAccountDisabled},
       {"NOPERM", LoginFailure::kAccountDisabled},
       {"AUTHORIZATIONFAILED", LoginFailure::kAuthorizationRefused},
       {"LIMIT", LoginFailure::kUserLimit},
       {"OVERQUOTA", LoginFailure::kUserLimit}}};
  if (text.starts_with('[')) {
    const std::string_view code = text.substr(1, text.find_first_of("] ", 1) - 1);
    for (const auto& [word, failure] : kCodes) {
      if (equals_ignoring_case(word, code)) {
        return failure;
      }
    }
  }
  return LoginFailure::kWrongCredentials;
}

}  // namespace

std::vector<Secret> auth_http_headers(const auth::LoginRequest& request, const CramProof* proof,
                                      bool whole_certificate) {
  const dialogue::Credentials& credentials = request.credentials;
  std::vector<Secret> lines;
  const auto add = [&lines](std::string_view name, std::string_view value) {
    lines.push_back(line(name, value));
  };
  add("Auth-Method", method_of(credentials.mechanism));
  lines.push_back(escaped_line("Auth-User", credentials.user));
  const Secret& secret = proof != nullptr ? proof->digest : credentials.secret;
  lines.push_back(escaped_line("Auth-Pass", secret.view()));
  if (proof != nullptr) {
    add("Auth-Salt", proof->salt);
  }
  add("Auth-Protocol", request.protocol);
  add("Auth-Login-Attempt", std::to_string(request.attempt));
  add("Client-IP", request.client.ip.to_string());
  if (request.proxied) {
    add("Proxy-Protocol-Addr", request.client.ip.to_string());
    add("Proxy-Protocol-Port", std::to_string(request.client.port));
    add("Proxy-Protocol-Server-Addr", request.connected.ip.to_string());
    add("Proxy-Protocol-Server-Port", std::to_string(request.connected.port));
  }
  if (request.tls) {
    add("Auth-SSL", "on");
    add("Auth-SSL-Protocol", request.tls_version);
    add("Auth-SSL-Cipher", request.tls_cipher);
    if (request.certificate_asked) {
      add_certificate(request, whole_certificate, lines);
    }
  }
  return lines;
}

Reply parse_auth_http_reply(std::string_view head) {
  Headers headers;
  AuthHttpReply reply;
  while (!head.empty()) {
    const std::string_view text = take_line(head);
    const std::size_t colon = text.find(':');
    const std::string_view name = text.substr(0, colon);
    const std::string_view value =
        colon == text.npos ? std::string_view() : trimmed(text.substr(colon + 1));
    if (equals_ignoring_case(name.substr(0, kForwardHeader.size()), kForwardHeader)) {
      // Names of headers have no case, and what passes them on may have changed it.
      reply.forward.emplace_back(
          std::string(auth::kForwardPrefix) + lower_case(name.substr(kForwardHeader.size())),
          value);
    } else if (auto* place = headers.find(name)) {
      if (place != &headers.status || !*place || weight_of(value) >= weight_of(**place)) {
        *place = value;
      }
    }
  }
  if (headers.wait) {
    const auto longest = static_cast<unsigned>(AuthHttpReply::kLongestWait.count());
    reply.wait = std::chrono::seconds(whole_number(*headers.wait, longest).value_or(0));
  }
  if (headers.status && *headers.status == "WAIT") {
    reply.status = AuthHttpReply::Status::kWait;
    return reply;
  }
  if (headers.status && *headers.status != "OK") {
    reply.status = AuthHttpReply::Status::kRefused;
    reply.text = client_text(*headers.status);
    take_challenge(headers.challenge.value_or(""), reply);
    return reply;
  }
  if (headers.user) {
    if (headers.user->empty() || headers.user->contains('\0')) {
      return std::unexpected("expected a name in Auth-User; found nothing");
    }
    reply.user = *headers.user;
  }
  if (headers.password) {
    if (headers.password->contains('\0')) {
      return std::unexpected("expected a password in Auth-Pass; found a NUL");
    }
    reply.password = std::make_shared<const Secret>(*headers.password);
  }
  reply.max_sessions = headers.max_sessions.value_or("");
  return with_backend(std::move(reply), headers);
}

namespace {

// What the headers of Headgate's own say.
std::expected<void, std::string> set_own(const AuthHttpReply& reply, auth::Route& route) {
  auto set = auth::set_max_sessions("Headgate-Max-Sessions", reply.max_sessions, route);
  for (auto field = reply.forward.begin(); set && field != reply.forward.end(); ++field) {
    set = auth::add_forwarded(field->first, field->second, route);
  }
  return set;
}

}  // namespace

auth::LookupResult auth_http_result(AuthHttpReply reply, std::string_view user) {
  switch (reply.status) {
    case AuthHttpReply::Status::kWait:
      return auth::AskAgain{reply.wait};
    case AuthHttpReply::Status::kRefused: {
      auth::Rejected rejected{.failure = failure_of(reply.text), .text = std::move(reply.text)};
      if (!reply.fault.empty()) {
        rejected.detail = fmt::format("{} ({})", rejected.text, reply.fault);
      }
      rejected.challenge = std::move(reply.challenge);
      rejected.last = reply.wait.count() == 0;
      if (!rejected.last) {
        rejected.delay = reply.wait;
      }
      return rejected;
    }
    case AuthHttpReply::Status::kOk:
      break;
  }
  if (user.empty() && !reply.user) {
    return auth::Rejected{
        .failure = LoginFailure::kLookupUnavailable,
        .detail = "expected Auth-User, since the client gave no name; found none"};
  }
  auth::Route route;
  if (auto set = set_own(reply, route); !set) {
    return auth::Rejected{.failure = LoginFailure::kLookupUnavailable,
                          .detail = std::move(set.error())};
  }
  route.user = std::move(reply.user).value_or(std::string(user));
  route.backend = std::move(reply.backend);
  route.use_master = reply.password == nullptr;
  route.password = std::move(reply.password);
  return auth::Accepted{std::move(route)};
}

}  // namespace headgate::sources
