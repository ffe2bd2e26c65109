#include "proof/scram_server.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "base/base64.h"

namespace headgate::proof {
namespace {

constexpr std::string_view kExporter = "p=tls-exporter";
constexpr std::string_view kUnique = "p=tls-unique";
constexpr std::string_view kEndPoint = "p=tls-server-end-point";

// Up to the next comma, which goes as well; nullopt: there is no comma.
std::optional<std::string_view> next_field(std::string_view& text) {
  const std::size_t comma = text.find(',');
  if (comma == std::string_view::npos) {
    return std::nullopt;
  }
  const std::string_view field = text.substr(0, comma);
  text.remove_prefix(comma + 1);
  return field;
}

// The value of "n=value" under the name 'n'.
std::optional<std::string_view> value_of(std::string_view field, char name) {
  if (field.size() < 2 || field[0] != name || field[1] != '=') {
    return std::nullopt;
  }
  return field.substr(2);
}

// saslname: "=2C" is a comma and "=3D" an equals sign, which stand in no other way. Whether it is
// UTF-8 is the caller's to ask.
std::optional<std::string> plain_name(std::string_view name) {
  std::string plain;
  while (!name.empty()) {
    if (name.front() != '=') {
      plain += name.front();
      name.remove_prefix(1);
      continue;
    }
    const std::string_view escape = name.substr(0, 3);
    if (escape != "=2C" && escape != "=3D") {
      return std::nullopt;
    }
    plain += escape == "=2C" ? ',' : '=';
    name.remove_prefix(3);
  }
  return plain;
}

// One or more `printable` of RFC 5802 section 7; the comma is not among them.
bool is_nonce(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) { return c > ' ' && c < '\x7f'; });
}

}  // namespace

ScramServer::ScramServer(net::Digest digest, bool plus, net::ChannelBindings bindings)
    : digest_(digest), plus_(plus), bindings_(std::move(bindings)) {}

bool ScramServer::may_say(std::string_view flag) const {
  if (plus_) {
    return (flag == kExporter && !bindings_.exporter.empty()) ||
           (flag == kUnique && !bindings_.unique.empty()) ||
           (flag == kEndPoint && !bindings_.end_points.empty());
  }
  return flag == "n" || (flag == "y" && !bindings_.any());
}

std::expected<void, ScramServer::Failure> ScramServer::read_first(std::string_view message) {
  std::string_view rest = message;
  const auto flag = next_field(rest);
  const auto identity = next_field(rest);
  if (!flag || !identity || (*flag != "n" && *flag != "y" && !value_of(*flag, 'p'))) {
    return std::unexpected(Failure::kMalformed);
  }
  header_ = message.substr(0, message.size() - rest.size());
  first_bare_ = rest;
  // An extension that must be understood ("m=") would stand here, and none is.
  const auto name = value_of(next_field(rest).value_or(""), 'n');
  const auto nonce = value_of(rest.substr(0, rest.find(',')), 'r');
  auto user = plain_name(name.value_or(""));
  auto authorization = plain_name(value_of(*identity, 'a').value_or(""));
  if (!name || !nonce || !is_nonce(*nonce) || !user || user->empty() || !authorization ||
      authorization->empty() != identity->empty()) {
    return std::unexpected(Failure::kMalformed);
  }
  if (!may_say(*flag)) {
    return std::unexpected(Failure::kBinding);
  }
  user_ = *std::move(user);
  authorization_ = *std::move(authorization);
  client_nonce_ = *nonce;
  return {};
}

std::string ScramServer::challenge(const ScramKeys& keys) {
  stored_key_ = keys.stored_key.clone();
  server_key_ = keys.server_key.clone();
  const net::Key random = net::random_key();
  nonce_ =
      client_nonce_ + base64_encode({reinterpret_cast<const char*>(random.data()), random.size()});
  challenge_ =
      fmt::format("r={},s={},i={}", nonce_, base64_encode(keys.salt.view()), keys.iterations);
  return challenge_;
}

bool ScramServer::binds(std::string_view input) const {
  if (!input.starts_with(header_)) {
    return false;
  }
  const std::string_view data = input.substr(header_.size());
  if (!plus_) {
    return data.empty();
  }
  if (header_.starts_with(kEndPoint)) {
    return std::ranges::find(bindings_.end_points, data) != bindings_.end_points.end();
  }
  return data == (header_.starts_with(kExporter) ? bindings_.exporter : bindings_.unique);
}

// The proof is the ClientKey under the ClientSignature, and what is stored is the ClientKey's hash.
bool ScramServer::proves(std::string_view proof, std::string_view messages) const {
  const Secret signature = net::hmac(digest_, stored_key_.view(), messages);
  if (proof.size() != signature.size()) {
    return false;
  }
  Secret client_key;
  for (std::size_t at = 0; at < proof.size(); ++at) {
    client_key.append(static_cast<char>(proof[at] ^ signature.view()[at]));
  }
  return net::hash(digest_, client_key.view(), {}).equals(stored_key_.view());
}

std::expected<std::string, ScramServer::Failure> ScramServer::read_final(
    std::string_view message) const {
  const std::size_t proof_at = message.rfind(",p=");
  if (proof_at == std::string_view::npos) {
    return std::unexpected(Failure::kMalformed);
  }
  const std::string_view without_proof = message.substr(0, proof_at);
  const auto proof = base64_decode(message.substr(proof_at + 3));
  std::string_view rest = without_proof;
  const auto binding = value_of(next_field(rest).value_or(""), 'c');
  const auto nonce = value_of(rest.substr(0, rest.find(',')), 'r');
  const auto input = base64_decode(binding.value_or(""));
  if (!proof || !binding || !input || !nonce || nonce != nonce_) {
    return std::unexpected(Failure::kMalformed);
  }
  if (!binds(input->view())) {
    return std::unexpected(Failure::kBinding);
  }
  const std::string messages = fmt::format("{},{},{}", first_bare_, challenge_, without_proof);
  if (!proves(proof->view(), messages)) {
    return std::unexpected(Failure::kProof);
  }
  return "v=" + base64_encode(net::hmac(digest_, server_key_.view(), messages).view());
}

}  // namespace headgate::proof
