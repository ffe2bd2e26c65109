#include "sources/policy_client.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/log.h"
#include "net/digest.h"

namespace headgate::sources {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kIdlePolicyConnections = 16;
constexpr std::size_t kMostReports = 256;  // under way; more are not sent
constexpr std::size_t kLongestMessage = 256;
constexpr std::chrono::seconds kLongestDelay{60};

Json json_of(const PolicyLogin& login) {
  return {{"login", login.user},
          {"remote", login.remote},
          {"pwhash", login.password_hash},
          {"device_id", login.device},
          {"session_id", login.session_id},
          {"protocol", login.protocol},
          {"tls", login.tls},
          {"attrs", {{"listener", login.listener}}}};
}

// What is no UTF-8 becomes U+FFFD.
std::string text_of(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace

bool PolicyOptions::same(const PolicyOptions& other) const {
  return url == other.url && timeout == other.timeout && nonce.equals(other.nonce.view()) &&
         hash_bits == other.hash_bits && verify == other.verify && ca == other.ca &&
         std::ranges::equal(headers, other.headers, [](const auto& one, const auto& two) {
           return one.first == two.first && one.second.equals(two.second.view());
         });
}

std::string policy_hash(const Secret& nonce, std::string_view user, const Secret& password,
                        unsigned bits) {
  Secret first = nonce.clone();
  first.append(user);
  first.append('\0');
  const Secret digest = net::hash(net::Digest::kSha256, first.view(), password.view());
  const std::size_t bytes = (bits + 7) / 8;
  const unsigned shift = static_cast<unsigned>(bytes * 8 - bits);
  std::string hex;
  unsigned carried = 0;
  for (const char byte : digest.view().substr(0, bytes)) {
    const unsigned both = (carried << 8) | static_cast<unsigned char>(byte);
    hex += fmt::format("{:02x}", (both >> shift) & 0xFFU);
    carried = both & 0xFFU;
  }
  return hex;
}

std::string policy_question(const PolicyLogin& login) {
  return text_of(json_of(login));
}

std::string policy_report(const PolicyLogin& login, bool success, bool refused_by_policy) {
  Json json = json_of(login);
  json["success"] = success;
  json["policy_reject"] = refused_by_policy;
  return text_of(json);
}

std::expected<PolicyVerdict, std::string> policy_verdict(std::string_view answer) {
  const Json json = Json::parse(answer, nullptr, false);
  const auto status = json.is_object() ? json.find("status") : json.end();
  if (!json.is_object() || status == json.end() || !status->is_number_integer()) {
    return std::unexpected("expected a JSON object with a whole number as status");
  }
  const auto number = status->get<std::int64_t>();
  PolicyVerdict verdict;
  verdict.refused = number < 0;
  verdict.delay = std::chrono::seconds(std::clamp<std::int64_t>(number, 0, kLongestDelay.count()));
  if (const auto message = json.find("msg"); message != json.end() && message->is_string()) {
    verdict.message = message->get_ref<const std::string&>().substr(0, kLongestMessage);
  }
  return verdict;
}

PolicyClient::PolicyClient(net::Loop& loop, net::TimerWheel& timers,
                           std::shared_ptr<PolicyServer> server)
    : loop_(loop),
      server_(std::move(server)),
      client_(loop, timers,
              {.verify = server_->options->verify,
               .ca_file = server_->options->ca,
               .idle_connections = kIdlePolicyConnections}) {}

std::expected<net::HttpClient::Id, std::string> PolicyClient::ask(const PolicyLogin& login,
                                                                  Done done) {
  return send("allow", policy_question(login),
              [this, done = std::move(done)](std::expected<net::HttpReply, std::string> reply) {
                if (!reply) {
                  done(std::unexpected(std::move(reply.error())));
                  return;
                }
                auto verdict = policy_verdict(reply->body.view());
                server_->server.count(!verdict                      ? RequestResult::kInvalid
                                      : verdict->refused            ? RequestResult::kRefused
                                      : verdict->delay.count() != 0 ? RequestResult::kWait
                                                                    : RequestResult::kAccepted);
                done(std::move(verdict));
              });
}

void PolicyClient::report(const PolicyLogin& login, bool success, bool refused_by_policy) {
  if (reports_ >= kMostReports) {
    server_->server.count(RequestResult::kAbandoned);
    return;
  }
  const auto sent = send("report", policy_report(login, success, refused_by_policy),
                         [this](const std::expected<net::HttpReply, std::string>& reply) {
                           --reports_;
                           if (reply) {
                             server_->server.count(RequestResult::kAccepted);
                           }
                         });
  reports_ += sent ? 1 : 0;
}

std::expected<net::HttpClient::Id, std::string> PolicyClient::send(std::string_view command,
                                                                   std::string body,
                                                                   Answered done) {
  constexpr unsigned kOk = 200;
  const PolicyOptions& options = *server_->options;
  LookupServer& server = server_->server;
  const auto now_ms = static_cast<std::int64_t>(loop_.now_ms());
  const std::vector<Endpoint> addresses = server.addresses();
  const auto turn = server.turn(now_ms, options.timeout);
  if (addresses.empty() || turn == LookupServer::Turn::kResting) {
    return std::unexpected(fmt::format(
        "{}: {}", server.name(),
        addresses.empty() ? "no address is known" : "not asked, since it failed a moment ago"));
  }
  net::HttpRequest request;
  request.url = options.url;
  request.url.target += request.url.target.contains('?') ? "&command=" : "?command=";
  request.url.target += command;
  request.endpoints = addresses;
  request.timeout = options.timeout;
  request.headers.emplace_back("Content-Type: application/json");
  for (const auto& [name, value] : options.headers) {
    Secret line(name + ": ");
    line.append(value.view());
    request.headers.push_back(std::move(line));
  }
  request.body = Secret(body);
  const auto began = std::chrono::steady_clock::now();
  return client_.send(
      std::move(request),
      [this, began, probe = turn == LookupServer::Turn::kProbe,
       done = std::move(done)](std::expected<net::HttpReply, net::HttpFailure> reply) {
        LookupServer& asked = server_->server;
        if (reply && reply->status == kOk) {
          asked.duration.observe(std::chrono::duration_cast<std::chrono::microseconds>(
              std::chrono::steady_clock::now() - began));
          if (asked.note_success()) {
            log::info("policy server answers again", {{"server", asked.name()}});
          }
          done(*std::move(reply));
          return;
        }
        const std::string why =
            reply ? fmt::format("HTTP status {}", reply->status) : reply.error().why;
        asked.count(reply                     ? RequestResult::kInvalid
                    : reply.error().timed_out ? RequestResult::kTimeout
                                              : RequestResult::kFailed);
        asked.rotate();
        if (asked.note_failure(static_cast<std::int64_t>(loop_.now_ms()), probe)) {
          log::warning("policy server failed", {{"server", asked.name()}, {"error", why}});
        }
        done(std::unexpected(fmt::format("{}: {}", asked.name(), why)));
      });
}

}  // namespace headgate::sources
