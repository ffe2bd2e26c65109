#include "commands/admin_client.h"

#include <curl/curl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/c_ptr.h"
#include "base/printable.h"
#include "commands/loading.h"

namespace headgate::commands {
namespace {

using nlohmann::json;

constexpr long kConnectSeconds = 3;
constexpr long kAnswerSeconds = 90;  // a kick of very many sessions
constexpr std::size_t kLargestAnswer = 64UL * 1024 * 1024;
constexpr std::size_t kLongestToken = 1023;

using Curl = CPtr<CURL, curl_easy_cleanup>;
using Headers = CPtr<curl_slist, curl_slist_free_all>;

std::size_t take(char* data, std::size_t, std::size_t size, void* answer) {
  auto& text = *static_cast<std::string*>(answer);
  if (text.size() + size > kLargestAnswer) {
    return 0;
  }
  text.append(data, size);
  return size;
}

// The list takes a copy, which stays in memory until it is freed; the process ends soon after.
void add_header(Headers& headers, const std::string& line) {
  headers.reset(curl_slist_append(headers.release(), line.c_str()));
}

Headers headers_with(const Secret& token) {
  Headers headers;
  add_header(headers, "Content-Type: application/json");
  if (!token.empty()) {
    std::string line = fmt::format("Authorization: Bearer {}", token.view());
    add_header(headers, line);
    wipe(line.data(), line.size());
  }
  return headers;
}

std::expected<Secret, std::string> read_token(const std::string& file) {
  std::ifstream stream(file, std::ios::binary);
  std::array<char, kLongestToken + 1> line{};
  stream.getline(line.data(), line.size());
  if (stream.bad() || !stream.is_open()) {
    return std::unexpected(fmt::format("{}: {}", file, std::strerror(errno)));
  }
  std::string_view text(line.data());
  while (text.ends_with('\r')) {
    text.remove_suffix(1);
  }
  if (text.empty()) {
    return std::unexpected(file + ": expected a token in the first line");
  }
  Secret token(text);
  wipe(line.data(), line.size());
  return token;
}

Secret token_of(const config::Admin& admin) {
  auto token =
      std::ranges::find(admin.tokens, config::TokenRole::kOperator, &config::AdminToken::role);
  if (token == admin.tokens.end()) {
    token = admin.tokens.begin();
  }
  return token == admin.tokens.end() ? Secret() : token->token.clone();
}

// The path in one of the forms of a Unix socket; empty: it is something else.
std::string socket_in(std::string_view url) {
  if (const auto address = LocalAddress::parse(url)) {
    return address->path;
  }
  const auto parsed = Url::parse(url);
  return parsed ? parsed->socket : std::string();
}

// The one to ask at; nullptr: none.
const LocalAddress* best_of(const std::vector<LocalAddress>& addresses) {
  const LocalAddress* best = nullptr;
  for (const LocalAddress& address : addresses) {
    if (!address.path.empty() && ::access(address.path.c_str(), W_OK) == 0) {
      return &address;
    }
    const bool reachable = !address.path.empty() || address.endpoint.port != 0;
    if (reachable && (best == nullptr || (!best->path.empty() && address.path.empty()))) {
      best = &address;
    }
  }
  return best;
}

std::string url_of(Endpoint endpoint) {
  if (endpoint.ip.is_any()) {
    endpoint.ip = IpAddress::parse(endpoint.ip.is_v6() ? "::1" : "127.0.0.1").value();
  }
  return "http://" + endpoint.to_string();
}

// What went wrong, with the system's reason where curl's words only say that nobody answers.
std::string reason(CURL* curl, CURLcode done) {
  long error = 0;
  curl_easy_getinfo(curl, CURLINFO_OS_ERRNO, &error);
  return done == CURLE_COULDNT_CONNECT && error != 0
             ? fmt::format("{}: {}", curl_easy_strerror(done),
                           std::strerror(static_cast<int>(error)))
             : curl_easy_strerror(done);
}

}  // namespace

std::expected<AdminClient, std::string> AdminClient::open(const AdminPlace& place) {
  std::string url = place.url;
  std::string socket = socket_in(url);
  Secret token;
  if (!place.token_file.empty()) {
    auto read = read_token(place.token_file);
    if (!read) {
      return std::unexpected(read.error());
    }
    token = std::move(*read);
  }
  if (url.empty()) {
    const auto config = load_config(place.config_file);
    if (!config) {
      return std::unexpected(std::string("without its configuration the address is not known"));
    }
    const LocalAddress* address = best_of(config->admin.addresses);
    if (address == nullptr) {
      return std::unexpected(place.config_file +
                             ": admin.address is not set, or has no fixed port");
    }
    socket = address->path;
    url = socket.empty() ? url_of(address->endpoint) : "";
    if (token.empty() && socket.empty()) {
      token = token_of(config->admin);
    }
  }
  if (!socket.empty()) {
    url = "http://localhost";
  }
  while (url.ends_with('/')) {
    url.pop_back();
  }
  return AdminClient(std::move(socket), std::move(url), std::move(token));
}

std::expected<json, std::string> AdminClient::get(const std::string& path) const {
  return ask(path, nullptr);
}

std::expected<json, std::string> AdminClient::post(const std::string& path,
                                                   const json& body) const {
  const std::string text = body.dump(-1, ' ', false, json::error_handler_t::replace);
  return ask(path, &text);
}

std::expected<json, std::string> AdminClient::ask(const std::string& path,
                                                  const std::string* body) const {
  const Curl curl(curl_easy_init());
  if (!curl) {
    return std::unexpected(std::string("libcurl cannot be used"));
  }
  const std::string url = url_ + "/api/v1/" + path;
  const Headers headers = headers_with(token_);
  std::string answer;
  curl_easy_setopt(curl.get(), CURLOPT_URL, url.c_str());
  curl_easy_setopt(curl.get(), CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(curl.get(), CURLOPT_PROXY, "");
  if (!socket_.empty()) {
    curl_easy_setopt(curl.get(), CURLOPT_UNIX_SOCKET_PATH, socket_.c_str());
  }
  curl_easy_setopt(curl.get(), CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl.get(), CURLOPT_CONNECTTIMEOUT, kConnectSeconds);
  curl_easy_setopt(curl.get(), CURLOPT_TIMEOUT, kAnswerSeconds);
  curl_easy_setopt(curl.get(), CURLOPT_HTTPHEADER, headers.get());
  curl_easy_setopt(curl.get(), CURLOPT_WRITEFUNCTION, take);
  curl_easy_setopt(curl.get(), CURLOPT_WRITEDATA, &answer);
  if (body != nullptr) {
    curl_easy_setopt(curl.get(), CURLOPT_POSTFIELDSIZE, static_cast<long>(body->size()));
    curl_easy_setopt(curl.get(), CURLOPT_POSTFIELDS, body->c_str());
  }
  if (const CURLcode done = curl_easy_perform(curl.get()); done != CURLE_OK) {
    return std::unexpected(fmt::format("{}: {}", place(), reason(curl.get(), done)));
  }
  long status = 0;
  curl_easy_getinfo(curl.get(), CURLINFO_RESPONSE_CODE, &status);
  json parsed = json::parse(answer, nullptr, false);
  if (!parsed.is_object()) {
    return std::unexpected(fmt::format("{}: no Headgate answers there (HTTP {})", place(), status));
  }
  if (status != 200) {
    const auto what = parsed.find("error");
    return std::unexpected(fmt::format("{} (HTTP {})",
                                       what != parsed.end() && what->is_string()
                                           ? printable(what->get_ref<const std::string&>())
                                           : place(),
                                       status));
  }
  return parsed;
}

std::string url_encoded(const std::string& text) {
  constexpr std::string_view kUnreserved =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~";
  std::string encoded;
  for (const char c : text) {
    if (kUnreserved.find(c) != kUnreserved.npos) {
      encoded += c;
    } else {
      fmt::format_to(std::back_inserter(encoded), "%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return encoded;
}

}  // namespace headgate::commands
