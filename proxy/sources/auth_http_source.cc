#include "sources/auth_http_source.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/log.h"
#include "sources/auth_http_cram.h"

namespace headgate::sources {
namespace {

using std::chrono::milliseconds;

constexpr std::size_t kLargestReply = std::size_t{64} * 1024;
constexpr std::size_t kIdleConnections = 64;

RequestResult result_of(AuthHttpReply::Status status) {
  switch (status) {
    case AuthHttpReply::Status::kOk:
      return RequestResult::kAccepted;
    case AuthHttpReply::Status::kWait:
      return RequestResult::kWait;
    case AuthHttpReply::Status::kRefused:
      break;
  }
  return RequestResult::kRefused;
}

std::vector<Secret> question(const auth::LoginRequest& request, const CramProof* proof,
                             const AuthHttpOptions& options) {
  std::vector<Secret> lines = auth_http_headers(request, proof, options.pass_client_cert);
  for (const AuthHttpOptions::Header& header : options.headers) {
    Secret line(header.name);
    line.append(": ");
    line.append(header.value.view());
    lines.push_back(std::move(line));
  }
  return lines;
}

}  // namespace

AuthHttpServers::AuthHttpServers(std::shared_ptr<const AuthHttpOptions> wanted)
    : options(std::move(wanted)) {
  for (const Url& url : options->urls) {
    servers.push_back(std::make_unique<LookupServer>(url));
  }
}

void AuthHttpServers::resolve() {
  for (const auto& server : servers) {
    server->resolve();
  }
}

// One question, and the requests that carry it to servers until one of them has answered.
class AuthHttpSource::LookUp {
 public:
  LookUp(AuthHttpSource& source, std::uint64_t id, const auth::LoginRequest& request,
         const CramProof* proof, Callback done)
      : source_(source),
        options_(*source.servers_->options),
        id_(id),
        user_(request.credentials.user),
        headers_(question(request, proof, options_)),
        done_(std::move(done)),
        deadline_ms_(source.loop_.now_ms() + net::to_ms(options_.timeout)) {}

  // May destroy this object; so may all that is private, but for what is const.
  void start();

 private:
  using Clock = std::chrono::steady_clock;
  struct Candidate {
    LookupServer* server;
    Endpoint endpoint;
    bool probe = false;
  };
  struct Attempt {
    Candidate to;
    net::HttpClient::Id request = 0;
    Clock::time_point began;
    bool running = true;
    bool late = false;  // another server was asked because of it
  };
  using Answer = std::expected<net::HttpReply, net::HttpFailure>;

  void choose();
  void send(const Candidate& to);
  void send_next();
  void arm_hedge();
  static void on_hedge(void* self) noexcept;
  void on_answer(std::size_t at, Answer answer);
  void on_good_answer(Attempt& attempt, AuthHttpReply reply);
  void on_failure(Attempt& attempt, RequestResult result, const std::string& why);
  void blame(const Attempt& attempt, const std::string& why);
  void abandon_others(const LookupServer* winner);
  void conclude(auth::LookupResult result);
  void finish(auth::LookupResult result);
  void let_go();
  [[nodiscard]] milliseconds time_left() const;
  [[nodiscard]] std::int64_t now_ms() const {
    return static_cast<std::int64_t>(source_.loop_.now_ms());
  }

  AuthHttpSource& source_;
  const AuthHttpOptions& options_;
  const std::uint64_t id_;
  std::string user_;
  std::vector<Secret> headers_;
  Callback done_;
  const std::uint64_t deadline_ms_;
  std::vector<Candidate> candidates_;  // still to be asked, the next one last
  std::vector<Candidate> probes_;
  std::vector<Attempt> attempts_;
  std::size_t running_ = 0;  // attempts
  std::size_t holds_ = 0;    // frames and name look-ups that still need this object
  bool concluded_ = false;   // the answer is known; what still runs are probes
  net::Timer hedge_{this, &LookUp::on_hedge};
};

// Those that work in their order, then those that rest: better asked than nobody.
void AuthHttpSource::LookUp::choose() {
  auto& servers = source_.servers_->servers;
  const std::size_t first =
      options_.spread ? source_.servers_->turn.fetch_add(1, std::memory_order_relaxed) : 0;
  std::vector<Candidate> usable;
  std::vector<Candidate> resting;
  for (std::size_t i = 0; i < servers.size(); ++i) {
    LookupServer& server = *servers[(first + i) % servers.size()];
    const LookupServer::Turn turn = server.turn(now_ms(), options_.timeout);
    std::vector<Candidate>& place = turn == LookupServer::Turn::kUsable    ? usable
                                    : turn == LookupServer::Turn::kResting ? resting
                                                                           : probes_;
    for (const Endpoint& endpoint : server.addresses()) {
      place.push_back({&server, endpoint, turn == LookupServer::Turn::kProbe});
      if (turn == LookupServer::Turn::kProbe) {
        break;
      }
    }
  }
  if (usable.empty()) {
    usable = std::exchange(probes_, {});
  }
  std::ranges::move(resting, std::back_inserter(usable));
  std::ranges::reverse_copy(usable, std::back_inserter(candidates_));
}

void AuthHttpSource::LookUp::start() {
  ++holds_;
  choose();
  if (candidates_.empty()) {
    conclude(auth::Unavailable{"no address of any server is known"});
  } else {
    send_next();
  }
  for (const Candidate& probe : probes_) {
    send(probe);
  }
  let_go();
}

void AuthHttpSource::LookUp::send_next() {
  const Candidate next = candidates_.back();
  candidates_.pop_back();
  send(next);
  arm_hedge();
}

void AuthHttpSource::LookUp::send(const Candidate& to) {
  net::HttpRequest request;
  request.url = to.server->url();
  request.endpoints = {to.endpoint};
  Secret host("Host: ");  // without the port, as nginx has it
  host.append(request.url.address.host);
  request.headers.push_back(std::move(host));
  std::ranges::transform(headers_, std::back_inserter(request.headers), &Secret::clone);
  request.keep_alive = options_.keep_alive;
  request.head_only = true;
  // Without hedging one server that hangs must leave time for the others.
  const bool share = options_.hedge_after.count() == 0 && !to.probe;
  request.timeout = time_left() / static_cast<int>(share ? candidates_.size() + 1 : 1);
  const std::size_t at = attempts_.size();
  attempts_.push_back({to, 0, Clock::now()});
  attempts_.back().request = source_.client_.send(
      std::move(request), [this, at](Answer answer) { on_answer(at, std::move(answer)); });
  ++running_;
}

milliseconds AuthHttpSource::LookUp::time_left() const {
  const std::uint64_t now = source_.loop_.now_ms();
  return milliseconds(std::max<std::uint64_t>(deadline_ms_, now + 1) - now);
}

void AuthHttpSource::LookUp::arm_hedge() {
  hedge_.cancel();
  if (options_.hedge_after.count() > 0 && !candidates_.empty()) {
    source_.timers_.arm(hedge_, net::to_ms(options_.hedge_after));
  }
}

void AuthHttpSource::LookUp::on_hedge(void* self) noexcept {
  auto& look_up = *static_cast<LookUp*>(self);
  for (Attempt& attempt : look_up.attempts_) {
    attempt.late = true;
  }
  look_up.candidates_.back().server->count_hedge();
  look_up.send_next();
}

void AuthHttpSource::LookUp::on_answer(std::size_t at, Answer answer) {
  ++holds_;
  Attempt& attempt = attempts_[at];
  attempt.running = false;
  --running_;
  LookupServer& server = *attempt.to.server;
  if (!answer) {
    on_failure(attempt, answer.error().timed_out ? RequestResult::kTimeout : RequestResult::kFailed,
               answer.error().why);
  } else {
    server.duration.observe(
        std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - attempt.began));
    auto reply = parse_auth_http_reply(answer->head.view());
    if (reply) {
      on_good_answer(attempt, *std::move(reply));
    } else {
      on_failure(attempt, RequestResult::kInvalid,
                 fmt::format("{} (HTTP status {})", reply.error(), answer->status));
    }
  }
  let_go();
}

// The end of this object, when nothing is left to do.
void AuthHttpSource::LookUp::let_go() {
  if (--holds_ == 0 && concluded_ && running_ == 0) {
    source_.erase(id_);
  }
}

void AuthHttpSource::LookUp::on_good_answer(Attempt& attempt, AuthHttpReply reply) {
  LookupServer& server = *attempt.to.server;
  server.count(result_of(reply.status));
  if (!concluded_) {
    abandon_others(&server);
  }
  if (server.note_success()) {
    log::info("lookup server answers again", {{"server", server.name()}});
  }
  if (!concluded_) {
    conclude(auth_http_result(std::move(reply), user_));
  }
}

// The answer is known; but a backend that is a host name and stands in no pool has to be resolved.
void AuthHttpSource::LookUp::conclude(auth::LookupResult result) {
  concluded_ = true;
  hedge_.cancel();
  candidates_.clear();
  headers_.clear();
  auto* accepted = std::get_if<auth::Accepted>(&result);
  if (accepted == nullptr || std::ranges::find(options_.known_backends, accepted->route.backend) !=
                                 options_.known_backends.end()) {
    finish(std::move(result));
    return;
  }
  const HostPort backend = *accepted->route.backend;
  ++holds_;
  source_.names_.find(backend, [this, backend, route = std::move(accepted->route)](
                                   const std::vector<Endpoint>& endpoints) mutable {
    if (endpoints.empty()) {
      // Not Unavailable: one user's backend says nothing about the servers.
      const std::string name = backend.to_string();
      log::warning("backend name does not resolve", {{"user", user_}, {"backend", name}});
      finish(auth::Rejected{dialogue::LoginFailure::kLookupUnavailable});
    } else {
      route.addresses = endpoints;
      finish(auth::Accepted{std::move(route)});
    }
    let_go();
  });
}

void AuthHttpSource::LookUp::on_failure(Attempt& attempt, RequestResult result,
                                        const std::string& why) {
  attempt.to.server->count(result);
  blame(attempt, why);
  if (concluded_) {
    return;
  }
  const std::string text = fmt::format("{}: {}", attempt.to.server->name(), why);
  if (!candidates_.empty() && source_.loop_.now_ms() < deadline_ms_) {
    send_next();
  } else if (running_ == 0) {
    conclude(auth::Unavailable{text});
  }
}

void AuthHttpSource::LookUp::blame(const Attempt& attempt, const std::string& why) {
  LookupServer& server = *attempt.to.server;
  server.rotate();
  const std::string& socket = server.url().socket;
  const std::string address = socket.empty() ? attempt.to.endpoint.to_string() : socket;
  const auto level =
      server.note_failure(now_ms(), attempt.to.probe) ? log::Level::kWarning : log::Level::kDebug;
  if (log::enabled(level)) {
    log::write(level, "lookup server failed",
               {{"server", server.name()}, {"address", address}, {"error", why}});
  }
}

// Those that had longer than they may have are as good as hung. A probe goes on: what it finds out
// is not for this login.
void AuthHttpSource::LookUp::abandon_others(const LookupServer* winner) {
  for (Attempt& attempt : attempts_) {
    if (!attempt.running || attempt.to.probe) {
      continue;
    }
    source_.client_.cancel(attempt.request);
    attempt.running = false;
    --running_;
    attempt.to.server->count(RequestResult::kAbandoned);
    if (attempt.late && attempt.to.server == winner) {
      attempt.to.server->rotate();
    } else if (attempt.late) {
      blame(attempt, "another server was faster");
    }
  }
}

void AuthHttpSource::LookUp::finish(auth::LookupResult result) {
  const Callback done = std::exchange(done_, nullptr);
  done(std::move(result));
}

AuthHttpSource::AuthHttpSource(net::Loop& loop, net::TimerWheel& timers,
                               std::shared_ptr<AuthHttpServers> servers)
    : loop_(loop),
      timers_(timers),
      servers_(std::move(servers)),
      names_(loop),
      client_(loop, timers,
              {.verify = servers_->options->verify,
               .ca_file = servers_->options->ca,
               .largest_reply = kLargestReply,
               .idle_connections = kIdleConnections}) {}

AuthHttpSource::~AuthHttpSource() = default;

void AuthHttpSource::look_up(const auth::LoginRequest& request, Callback done) {
  if (!request.credentials.by_exchange()) {
    begin(request, nullptr, std::move(done));
  } else if (auto proof = cram_proof(request)) {
    begin(request, &*proof, std::move(done));
  } else {
    done(std::move(proof.error()));
  }
}

void AuthHttpSource::begin(const auth::LoginRequest& request, const CramProof* proof,
                           Callback done) {
  const std::uint64_t id = ++last_id_;
  const auto [at, fresh] =
      look_ups_.emplace(id, std::make_unique<LookUp>(*this, id, request, proof, std::move(done)));
  at->second->start();
}

bool AuthHttpSource::takes(const dialogue::Credentials& credentials) const {
  const AuthHttpOptions::Methods& methods = servers_->options->methods;
  return credentials.by_certificate() ? methods.external
         : credentials.by_token()     ? methods.token
         : credentials.by_exchange()  ? methods.cram_md5 && credentials.mechanism == "CRAM-MD5"
                                      : methods.plain;
}

void AuthHttpSource::erase(std::uint64_t id) {
  look_ups_.erase(id);
}

auth::LookupResult explain_auth_http() {
  return auth::Unavailable{"the server answers only with the user's password"};
}

}  // namespace headgate::sources
