#include "sources/oauth_source.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "base/base64.h"
#include "base/log.h"
#include "base/unix_time.h"
#include "base/whole_file.h"

namespace headgate::sources {
namespace {

using dialogue::LoginFailure;
using std::chrono::milliseconds;

constexpr std::size_t kIdleConnections = 16;
constexpr unsigned kOk = 200;
// A file costs nothing to read, so a changed one counts soon.
constexpr milliseconds kReadFileEvery{1000};

// application/x-www-form-urlencoded.
void append_form(std::string_view text, Secret& out) {
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                       c == '-' || c == '.' || c == '_' || c == '~';
    if (plain) {
      out.append(c);
    } else {
      out.append('%');
      out.append(kDigits[byte >> 4]);
      out.append(kDigits[byte & 15]);
    }
  }
}

// RFC 6749, 2.3.1: both are encoded as in a form before they are put together.
Secret authorization(const OauthOptions& options) {
  Secret pair;
  append_form(options.client_id, pair);
  pair.append(':');
  append_form(options.client_secret.view(), pair);
  Secret line("Authorization: Basic ");
  base64_encode(pair.view(), line);
  return line;
}

proof::TokenKeys::Options keys_options(const OauthServers& servers) {
  proof::TokenKeys::Options keys{.source = servers.source};
  keys.refresh_every = servers.keys ? milliseconds(servers.options->keys_ttl) : kReadFileEvery;
  keys.unknown_every = servers.keys ? keys.unknown_every : kReadFileEvery;
  keys.kept_for = std::max(keys.kept_for, keys.refresh_every * 2);
  return keys;
}

}  // namespace

OauthServers::OauthServers(std::string name, std::shared_ptr<const OauthOptions> wanted)
    : source(std::move(name)), options(std::move(wanted)) {
  if (options->keys_url) {
    keys = std::make_unique<LookupServer>(*options->keys_url);
  }
  if (options->introspection_url) {
    introspection = std::make_unique<LookupServer>(*options->introspection_url);
  }
}

void OauthServers::resolve() {
  for (LookupServer* server : {keys.get(), introspection.get()}) {
    if (server != nullptr) {
      server->resolve();
    }
  }
}

std::expected<Secret, std::string> read_keys_file(const std::string& path) {
  const auto file = open_regular(path);
  auto text = file ? read_whole(file->fd.get(), proof::JsonWebKeySet::kLargest)
                   : std::unexpected(file.error());
  if (!text) {
    text.error() = fmt::format("{}: {}", path, text.error());
  }
  return text;
}

// One login. Held by the callbacks of whatever it waits for.
struct OauthSource::Question {
  std::string named;  // by the client; may be empty
  Secret token;
  Callback done;
  std::optional<proof::TokenClaims> claims;  // its own, once its signature is good

  void accept(const proof::TokenClaims& who) {
    auth::Route route;
    route.user = who.user;
    route.name = who.user;
    route.use_master = true;
    done(auth::Accepted{std::move(route)});
  }
  void refuse(proof::TokenFault fault) {
    auth::Rejected rejected{.failure = fault.failure};
    rejected.detail = std::move(fault.why);
    done(std::move(rejected));
  }
};

OauthSource::OauthSource(net::Loop& loop, net::TimerWheel& timers,
                         std::shared_ptr<OauthServers> servers, bool last)
    : loop_(loop),
      servers_(std::move(servers)),
      options_(*servers_->options),
      last_(last),
      client_(loop, timers,
              {.ca_file = options_.ca,
               .largest_reply = proof::JsonWebKeySet::kLargest,
               .idle_connections = kIdleConnections}) {
  if (servers_->keys || !options_.keys_file.empty()) {
    keys_.emplace([this] { return loop_.now_ms(); },
                  [this](proof::TokenKeys::Fetched done) { fetch_keys(std::move(done)); },
                  keys_options(*servers_));
  }
}

OauthSource::~OauthSource() = default;

auth::LookupResult OauthSource::explain(std::string_view user, bool last) {
  if (!last) {
    return auth::UnknownHere{};  // a source behind this one may know more
  }
  auth::Route route;
  route.user = user;
  route.use_master = true;
  return auth::Accepted{std::move(route)};
}

void OauthSource::look_up(const auth::LoginRequest& request, Callback done) {
  auto question = std::make_shared<Question>(
      Question{request.credentials.user, request.credentials.secret.clone(), std::move(done), {}});
  // A token that is no JWT is the server's alone to judge, where there is one.
  if (keys_ && (proof::JsonWebToken::is_one(question->token.view()) || !servers_->introspection)) {
    check_signature(question);
  } else {
    introspect(question);
  }
}

void OauthSource::check_signature(const std::shared_ptr<Question>& question) {
  auto parsed = proof::JsonWebToken::parse(question->token.view());
  if (!parsed) {
    question->refuse({.why = parsed.error()});
    return;
  }
  const auto token = std::make_shared<const proof::JsonWebToken>(*std::move(parsed));
  keys_->verify(token, [this, question, token](proof::TokenKeys::Verdict verdict) {
    on_verdict(question, *token, verdict);
  });
}

void OauthSource::on_verdict(const std::shared_ptr<Question>& question,
                             const proof::JsonWebToken& token, proof::TokenKeys::Verdict verdict) {
  switch (verdict) {
    case proof::TokenKeys::Verdict::kNoKeys:
      question->done(auth::Unavailable{fmt::format("token keys: {}", keys_->error())});
      return;
    case proof::TokenKeys::Verdict::kCannotTell:
      // Not Unavailable: anybody can make such a token, and must not open the breaker with it.
      question->refuse({LoginFailure::kLookupUnavailable,
                        fmt::format("the token's key is unknown; token keys: {}", keys_->error())});
      return;
    case proof::TokenKeys::Verdict::kBad:
      question->refuse({.why = "the token is not signed by a key of the issuer"});
      return;
    case proof::TokenKeys::Verdict::kGood:
      break;
  }
  auto claims = proof::TokenClaims::parse(token.payload.view(), options_.rules.user_claim);
  if (!claims) {
    question->refuse({.why = "token: " + claims.error()});
    return;
  }
  // What is wrong by the token's own word needs no server to say so.
  if (auto fault = fault_of(*claims, options_.rules, question->named, unix_seconds(), true)) {
    question->refuse(*std::move(fault));
    return;
  }
  question->claims = *std::move(claims);
  if (servers_->introspection) {
    introspect(question);  // it may have been revoked
  } else {
    question->accept(*question->claims);
  }
}

void OauthSource::introspect(const std::shared_ptr<Question>& question) {
  const auto make = [this, question] {
    net::HttpRequest request;
    request.headers.emplace_back("Accept: application/json");
    request.headers.emplace_back("Content-Type: application/x-www-form-urlencoded");
    if (!options_.client_id.empty()) {
      request.headers.push_back(authorization(options_));
    }
    Secret body("token=");
    append_form(question->token.view(), body);
    body.append("&token_type_hint=access_token");
    request.body = std::move(body);
    return request;
  };
  ask(*servers_->introspection, make,
      [this, question](Answer answer) { on_introspected(question, std::move(answer)); });
}

void OauthSource::on_introspected(const std::shared_ptr<Question>& question, Answer answer) {
  LookupServer& server = *servers_->introspection;
  if (!answer) {
    question->done(auth::Unavailable{std::move(answer.error())});
    return;
  }
  auto claims = answer->status == kOk
                    ? proof::TokenClaims::parse(answer->body.view(), options_.rules.user_claim)
                    : std::unexpected(fmt::format("HTTP status {}", answer->status));
  if (!claims) {
    server.count(RequestResult::kInvalid);
    question->done(auth::Unavailable{fmt::format("{}: {}", server.name(), claims.error())});
    return;
  }
  server.count(claims->active ? RequestResult::kAccepted : RequestResult::kRefused);
  if (!claims->active) {
    question->refuse({.why = "the server says that the token is not active"});
    return;
  }
  if (question->claims) {  // signed ones, which are good
    question->accept(*question->claims);
    return;
  }
  if (auto fault = fault_of(*claims, options_.rules, question->named, unix_seconds(), false)) {
    question->refuse(*std::move(fault));
    return;
  }
  question->accept(*claims);
}

void OauthSource::fetch_keys(proof::TokenKeys::Fetched done) {
  if (!servers_->keys) {
    auto text = std::make_shared<std::expected<Secret, std::string>>();
    net::run_blocking(
        loop_, [text, servers = servers_] { *text = read_keys_file(servers->options->keys_file); },
        [text, alive = std::weak_ptr(alive_), done = std::move(done)] {
          if (!alive.expired()) {
            done(std::move(*text));
          }
        });
    return;
  }
  const auto make = [] {
    net::HttpRequest request;
    request.headers.emplace_back("Accept: application/jwk-set+json, application/json");
    return request;
  };
  ask(*servers_->keys, make, [this, done = std::move(done)](Answer answer) {
    LookupServer& server = *servers_->keys;
    if (answer && answer->status != kOk) {
      server.count(RequestResult::kInvalid);
      answer = std::unexpected(fmt::format("{}: HTTP status {}", server.name(), answer->status));
    } else if (answer) {
      server.count(RequestResult::kAccepted);
    }
    done(answer ? std::expected<Secret, std::string>(std::move(answer->body))
                : std::unexpected(std::move(answer.error())));
  });
}

// One request and where it may still go.
struct OauthSource::Call {
  LookupServer& server;
  std::function<net::HttpRequest()> request;
  Asked done;
  std::vector<Endpoint> addresses;  // the next one last
  std::uint64_t deadline_ms;
};

// Asks one address of the server after the other until one answers; each has a share of the time.
void OauthSource::ask(LookupServer& server, std::function<net::HttpRequest()> request, Asked done) {
  auto call =
      std::make_shared<Call>(Call{server, std::move(request), std::move(done), server.addresses(),
                                  loop_.now_ms() + net::to_ms(options_.timeout)});
  std::ranges::reverse(call->addresses);
  if (call->addresses.empty()) {
    call->done(std::unexpected(fmt::format("{}: no address is known", server.name())));
    return;
  }
  send(call);
}

void OauthSource::send(const std::shared_ptr<Call>& call) {
  const std::uint64_t now = loop_.now_ms();
  const std::uint64_t left = std::max(call->deadline_ms, now + 1) - now;
  net::HttpRequest request = call->request();
  request.url = call->server.url();
  request.timeout = milliseconds(std::max<std::uint64_t>(left / call->addresses.size(), 1));
  request.endpoints = {call->addresses.back()};
  call->addresses.pop_back();
  const auto began = std::chrono::steady_clock::now();
  client_.send(std::move(request), [this, call,
                                    began](std::expected<net::HttpReply, net::HttpFailure> answer) {
    LookupServer& server = call->server;
    const auto now_ms = static_cast<std::int64_t>(loop_.now_ms());
    if (answer) {
      server.duration.observe(std::chrono::duration_cast<std::chrono::microseconds>(
          std::chrono::steady_clock::now() - began));
      if (server.note_success()) {
        log::info("lookup server answers again", {{"server", server.name()}});
      }
      call->done(*std::move(answer));
      return;
    }
    server.count(answer.error().timed_out ? RequestResult::kTimeout : RequestResult::kFailed);
    server.rotate();
    if (server.note_failure(now_ms, false)) {
      log::warning("lookup server failed",
                   {{"server", server.name()}, {"error", answer.error().why}});
    }
    if (!call->addresses.empty() && loop_.now_ms() < call->deadline_ms) {
      send(call);
    } else {
      call->done(std::unexpected(fmt::format("{}: {}", server.name(), answer.error().why)));
    }
  });
}

}  // namespace headgate::sources
