#include <array>
#include <string>

#include "base/log.h"
#include "base/printable.h"
#include "server/session/backend_proof.h"
#include "server/session/login.h"
#include "server/session/session.h"
#include "server/worker.h"

// What the world sees of a session: metrics and log lines.
namespace headgate::server {
namespace {

double to_ms(std::uint32_t microseconds) {
  return microseconds / 1000.0;
}

}  // namespace

using metrics::Stage;

void Session::enter(metrics::Phase phase) {
  if (phase != phase_) {
    listener_metrics().move(phase_, phase);
    phase_ = phase;
  }
}

void Session::note_stage(Stage stage, Clock::duration duration) {
  const auto us = std::chrono::duration_cast<metrics::Microseconds>(duration);
  worker_.metrics().observe(stage, us);
  stage_us_[metrics::index(stage)] = static_cast<std::uint32_t>(us.count());
}

void Session::report_handshakes() {
  ClientLeg& leg = login_->client;
  if (!leg.take_handshake_done()) {
    return;
  }
  const net::Transport& transport = client_->transport();
  worker_.metrics().count_handshake(metrics::Side::kClient, transport.tls_version(),
                                    leg.handshake_ok(), transport.tls_resumed());
  if (leg.handshake_ok()) {
    note_stage(Stage::kTls, Login::Clock::now() - leg.handshake_began());
    report_client_certificate();
  }
}

// Of a listener that asks for them.
void Session::report_client_certificate() {
  using metrics::ClientCertificate;
  if (!login_->context.listener.client_certificates) {
    return;
  }
  const net::Transport& transport = client_->transport();
  const auto unverified = transport.unverified_client_certificate();
  const auto shown = unverified                       ? ClientCertificate::kUnknownAuthority
                     : transport.client_certificate() ? ClientCertificate::kVerified
                                                      : ClientCertificate::kNone;
  worker_.metrics().client_certificates[metrics::index(shown)].add();
  if (unverified) {
    log::info("client certificate of an unknown authority",
              {{"session", id()},
               {"client", client_endpoint_.to_string()},
               {"listener", login_->context.listener.name},
               {"subject", printable(unverified->text.subject)},
               {"fingerprint", unverified->text.fingerprint},
               {"why", unverified->why}});
  }
}

// Of a route whose source would take any certificate of the backend. A refusal is told once by each
// worker under each configuration; every failure that comes of it names it as well.
void Session::report_any_certificate(bool verified) {
  using metrics::AnyCertificate;
  const Login& login = *login_;
  const config::Pool& pool = snapshot().config.pools[login.pool];
  const bool refused = refuses_any_certificate(pool, login.route);
  if (!refused && verified) {
    return;
  }
  const auto wish = refused ? AnyCertificate::kRefused : AnyCertificate::kPermitted;
  worker_.metrics().any_certificates[metrics::index(wish)].add();
  if (refused && !login.generation->any_cert_refused[login.pool]) {
    login.generation->any_cert_refused[login.pool] = true;
    log::warning("any certificate refused",
                 {{"session", id()},
                  {"user", printable(user_)},
                  {"pool", pool.name},
                  {"detail",
                   "the backend's certificate is verified although the user source would "
                   "take any; allow_any_cert of the pool permits that"}});
  }
}

// Once per session, when its dialogue with the client is over.
void Session::report_dialogue() {
  const dialogue::ClientDialogue* dialogue = login_->client.dialogue();
  if (dialogue == nullptr) {
    return;
  }
  worker_.metrics().bad_commands.add(dialogue->bad_commands());
  for (const dialogue::Limit limit : dialogue::all_limits()) {
    worker_.metrics().limit_hits[metrics::index(limit)].add(dialogue->limit_hits().count(limit));
  }
}

SessionGlance Session::glance() const {
  const net::Transport& transport = client_->transport();
  return {.id = id_,
          .user = user_,
          .client = client_endpoint_,
          .listener = snapshot().config.listeners[listener_].name,
          .pool = pool_ ? std::string_view(pool_->pool) : std::string_view(),
          .backend = pool_ ? &pool_->backends[backend_index_].address : nullptr,
          .phase = phase_,
          .state = relay_ ? relay_->state_name() : login_->client.state_name(),
          .tls = transport.is_tls() ? transport.tls_version() : std::string_view(),
          .started_ms = started_ms_,
          .moved_ms = moved_ms_,
          .now_ms = worker_.loop().now_ms(),
          .bytes_to_backend = relay_ ? relay_->bytes_to_backend() : 0,
          .bytes_to_client = relay_ ? relay_->bytes_to_client() : 0};
}

std::string Session::backend_name() const {
  return pool_ ? pool_->backends[backend_index_].address.to_string() : std::string();
}

// What besides the own password has let the user in.
void Session::report_factors() {
  const Login& login = *login_;
  if (login.route.code_length > 0) {
    worker_.metrics().factors[metrics::index(metrics::Factor::kTotp)].add();
  }
  if (login.credentials.by_certificate()) {
    worker_.metrics().factors[metrics::index(metrics::Factor::kCertificate)].add();
  }
  if (!login.route.app_password) {
    return;
  }
  worker_.metrics().factors[metrics::index(metrics::Factor::kAppPassword)].add();
  log::info("application password used", {{"session", id()},
                                          {"user", printable(user_)},
                                          {"client", client_endpoint_.to_string()},
                                          {"listener", login.context.listener.name},
                                          {"app", printable(*login.route.app_password)}});
}

void Session::report_login_failed(dialogue::LoginFailure failure, std::string_view detail) {
  worker_.metrics().count_login_failed(failure);
  const dialogue::FailureInfo& info = dialogue::info(failure);
  if (!log::enabled(info.level)) {
    return;
  }
  const Login& login = *login_;
  const std::string session = id();
  const std::string client = client_endpoint_.to_string();
  const bool routed = login.search.set() != nullptr;
  const std::string backend =
      login.backend ? login.search.backend(login.search.current()).address.to_string() : "";
  log::write(
      info.level, "login failed",
      {{"session", session},
       {"user", printable(user_)},
       {"client", client},
       {"listener", login.context.listener.name},
       {"mechanism", login.credentials.mechanism},
       {"pool", routed ? std::string_view(login.search.set()->pool) : std::string_view()},
       {"backend", backend},
       {"failure", info.name},
       {"fault", dialogue::name(info.fault)},
       {"detail", printable(detail)},
       {"client_state", login.client.state_name()},
       {"backend_state", login.backend ? login.backend->state_name() : std::string_view("none")}});
}

void Session::report_attempt_failed() {
  const Login& login = *login_;
  const dialogue::FailureInfo& info = dialogue::info(login.failure);
  const std::string session = id();
  const std::string backend = backend_name();
  log::warning("backend attempt failed", {{"session", session},
                                          {"user", printable(user_)},
                                          {"pool", pool_->pool},
                                          {"backend", backend},
                                          {"failure", info.name},
                                          {"detail", login.detail},
                                          {"client_state", login.client.state_name()},
                                          {"backend_state", login.backend->state_name()}});
}

std::uint64_t Session::count_relayed() {
  const std::uint64_t to_backend = relay_->bytes_to_backend();
  const std::uint64_t to_client = relay_->bytes_to_client();
  const std::uint64_t moved = to_backend - counted_to_backend_ + (to_client - counted_to_client_);
  if (moved == 0) {
    return 0;
  }
  moved_ms_ = worker_.loop().now_ms();
  metrics::WorkerMetrics& metrics = worker_.metrics();
  metrics.count_relayed(metrics::Direction::kToBackend, to_backend - counted_to_backend_);
  metrics.count_relayed(metrics::Direction::kToClient, to_client - counted_to_client_);
  counted_to_backend_ = to_backend;
  counted_to_client_ = to_client;
  return moved;
}

void Session::report_end(dialogue::CloseReason reason, std::string_view detail,
                         std::optional<metrics::Farewell> farewell) {
  if (login_) {
    report_dialogue();
  }
  if (farewell) {
    worker_.metrics().count(*farewell);
  }
  const std::uint64_t lived_ms = worker_.loop().now_ms() - started_ms_;
  worker_.metrics().count_end(reason, std::chrono::milliseconds(lived_ms));
  const dialogue::CloseInfo& info = dialogue::info(reason);
  if (!log::enabled(info.level)) {
    return;
  }
  const std::string session = id();
  const std::string client = client_endpoint_.to_string();
  const std::string backend = backend_name();
  const auto stage = [this](Stage which) { return to_ms(stage_us_[metrics::index(which)]); };
  std::string_view client_state = "relay";
  std::string_view backend_state = "relay";
  if (login_) {
    client_state = login_->client.state_name();
    backend_state = login_->backend ? login_->backend->state_name() : "none";
  } else if (relay_) {
    client_state = backend_state = relay_->state_name();
  }
  log::write(info.level, "session end",
             {{"session", session},
              {"user", printable(user_)},
              {"client", client},
              {"listener", listener_metrics().name},
              {"tls", client_->transport().tls_version()},
              {"cipher", client_->transport().tls_cipher()},
              {"pool", pool_ ? std::string_view(pool_->pool) : std::string_view()},
              {"backend", backend},
              {"tls_ms", stage(Stage::kTls)},
              {"lookup_ms", stage(Stage::kLookup)},
              {"connect_ms", stage(Stage::kConnect)},
              {"backend_login_ms", stage(Stage::kBackendLogin)},
              {"login_ms", stage(Stage::kTotal)},
              {"bytes_to_backend", counted_to_backend_},
              {"bytes_to_client", counted_to_client_},
              {"duration_s", static_cast<double>(lived_ms) / 1000.0},
              {"reason", info.name},
              {"fault", dialogue::name(info.fault)},
              {"detail", detail},
              {"farewell", farewell ? metrics::name(*farewell) : std::string_view()},
              {"client_state", client_state},
              {"backend_state", backend_state}});
}

}  // namespace headgate::server
