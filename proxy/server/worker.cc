#include "server/worker.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "base/log.h"
#include "server/overloaded.h"

namespace headgate::server {
namespace {

constexpr std::size_t kFreeBuffersKept = 16;

}  // namespace

std::expected<std::unique_ptr<Worker>, std::string> Worker::create(Options options) {
  const auth::SharedSources& sources = *options.sources;
  std::vector<UniqueFd> listeners = std::move(options.listeners);
  std::unique_ptr<Worker> worker(new Worker(std::move(options)));
  if (auto made = worker->make_tls_contexts(); !made) {
    return std::unexpected(made.error());
  }
  worker->chain_ = std::make_unique<auth::Chain>(
      *worker->timers_, sources.make_sources(worker->loop_, *worker->timers_, *worker->metrics_),
      sources.longest_deadline());
  for (std::size_t i = 0; i < listeners.size(); ++i) {
    worker->listener_metrics_.push_back(
        &worker->metrics_->listener(worker->snapshot_->config.listeners[i].name));
    worker->listeners_.push_back(std::make_unique<Listener>(*worker, i, std::move(listeners[i])));
  }
  return worker;
}

Worker::Worker(Options options)
    : index_(options.index),
      snapshot_(std::move(options.snapshot)),
      pools_(std::move(options.pools)),
      metrics_(std::move(options.metrics)),
      workers_(*options.workers),
      waiting_room_(*options.waiting_room),
      users_(*options.users),
      limits_(*options.limits),
      buffers_(snapshot_->config.relay.buffer_size, kFreeBuffersKept),
      random_(std::random_device{}()) {
  timers_.emplace(loop_);
  wakeup_.emplace(loop_, [this] { on_mail(); });
  turn_end_.emplace(loop_, [this] { on_turn_end(); });
}

Worker::~Worker() {
  stop();  // of one that never ran
  close_loop();
  listeners_.clear();
  timers_.reset();
  loop_.drain();
}

std::expected<void, std::string> Worker::make_tls_contexts() {
  const config::Config& config = snapshot_->config;
  if (!config.tls.certificates.empty()) {
    net::ServerTlsOptions options;
    options.policy = {config.tls.minimum_version, config.tls.ciphers, config.tls.cipher_suites,
                      config.tls.groups};
    for (const config::Certificate& pair : config.tls.certificates) {
      options.certificates.push_back({pair.certificate, pair.key});
    }
    options.ticket_keys = snapshot_->ticket_keys;
    options.tickets = config.tls.session_tickets;
    auto tls = net::ServerTls::create(options);
    if (!tls) {
      return std::unexpected("tls: " + tls.error());
    }
    server_tls_ = std::move(*tls);
  }
  for (const config::Pool& pool : config.pools) {
    client_tls_.emplace_back();
    if (pool.tls != config::TlsMode::kNone) {
      auto tls = net::ClientTls::create({.policy = {}, .verify = pool.verify, .ca_file = pool.ca});
      if (!tls) {
        return std::unexpected("pools." + pool.name + ": " + tls.error());
      }
      client_tls_.back() = std::move(*tls);
    }
  }
  return {};
}

void Worker::run() {
  loop_.run();
  close_loop();
}

// What is left on the loop after this ends by itself: farewells, and look-ups whose asker is gone.
void Worker::close_loop() {
  {
    const std::lock_guard lock(mail_mutex_);
    wakeup_.reset();
  }
  turn_end_.reset();
  chain_.reset();  // sources may hold handles of the loop
  timers_->let_loop_end();
  loop_.drain();
}

void Worker::post(Message message) {
  const std::lock_guard lock(mail_mutex_);
  if (!wakeup_) {
    return;  // it has stopped
  }
  mail_.push_back(std::move(message));
  wakeup_->notify();
}

void Worker::on_mail() {
  std::vector<Message> mail;
  {
    const std::lock_guard lock(mail_mutex_);
    mail.swap(mail_);
  }
  for (Message& message : mail) {
    std::visit(Overloaded{
                   [this](NewPools& news) { pools_ = std::move(news.pools); },
                   [this](DropOldest) { drop_oldest(); },
                   [this](const EndLeftBehind& left) { on_left_behind(left); },
                   [this](const EndSessionsAt& end) { on_end_sessions(end); },
                   [this](Stop) { stop(); },
               },
               message);
  }
}

metrics::ListenerMetrics& Worker::listener_metrics(std::size_t listener) {
  return *listener_metrics_[listener];
}

void Worker::adopt(std::size_t listener, net::Accepted accepted) {
  listener_metrics_[listener]->connections.add();
  // Owned by itself until bury(): the lists hold it meanwhile.
  auto* session = new Session(*this, listener, std::move(accepted));
  admit(*session);
  if (!session->closed()) {  // with others still on their way in, it may have been the oldest
    session->start();
  }
}

void Worker::admit(Session& session) {
  waiting_.push_back(session);
  const bool full = waiting_room_.enter();
  note_oldest();
  if (!full) {
    return;
  }
  metrics_->count_limit(dialogue::Limit::kSessions);
  const std::size_t who = waiting_room_.worker_with_oldest();
  if (who == index_) {
    drop_oldest();
  } else {
    workers_[who]->post(DropOldest{});
  }
}

void Worker::drop_oldest() {
  if (Session* oldest = waiting_.front()) {
    oldest->close(dialogue::CloseReason::kDroppedForNewer);
  }
}

void Worker::end_left_behind(std::uint64_t user, std::uint32_t epoch) {
  for (const auto& worker : workers_) {
    worker->post(EndLeftBehind{user, epoch});
  }
}

void Worker::on_left_behind(const EndLeftBehind& left) {
  std::vector<Session*> ending;
  const auto [first, last] = by_user_.equal_range(left.user);
  for (auto at = first; at != last; ++at) {
    if (at->second->lease().epoch < left.epoch) {
      ending.push_back(at->second);
    }
  }
  for (Session* session : ending) {
    session->close(dialogue::CloseReason::kMoved);
  }
}

void Worker::on_end_sessions(const EndSessionsAt& end) {
  for (Session* session = relaying_.front(); session != nullptr;
       session = relaying_.after(*session)) {
    if (session->backend_state() == end.backend.get()) {
      session->leave_within(end.over);
    }
  }
}

void Worker::note_oldest() {
  const Session* oldest = waiting_.front();
  waiting_room_.set_oldest(index_, oldest ? oldest->started_ms() : WaitingRoom::kNobody);
}

void Worker::promote(Session& session) {
  relaying_.push_back(session);
  by_user_.emplace(session.lease().user, &session);
  waiting_room_.leave();
  note_oldest();
}

void Worker::bury(Session& session) {
  session.unlink();
  if (session.logged_in()) {
    const auto [first, last] = by_user_.equal_range(session.lease().user);
    by_user_.erase(
        std::find_if(first, last, [&](const auto& one) { return one.second == &session; }));
  } else {
    waiting_room_.leave();
    note_oldest();
  }
  buried_.emplace_back(&session);
}

void Worker::run_again(Session& session) {
  again_.push_back(&session);
  turn_end_->set_busy(true);
}

void Worker::on_turn_end() {
  if (!again_.empty()) {
    std::vector<Session*> again;
    again.swap(again_);
    turn_end_->set_busy(false);
    for (Session* session : again) {
      session->resume();
    }
  }
  buried_.clear();
  metrics_->buffers_in_use.set(static_cast<std::int64_t>(buffers_.in_use()));
  if (stopping_ && waiting_.empty() && relaying_.empty()) {
    loop_.stop();
  }
}

void Worker::stop() {
  if (stopping_) {
    return;
  }
  stopping_ = true;
  for (const auto& listener : listeners_) {
    listener->stop();
  }
  while (Session* session = waiting_.front()) {
    session->close(dialogue::CloseReason::kShutdown);
  }
  while (Session* session = relaying_.front()) {
    session->close(dialogue::CloseReason::kShutdown);
  }
}

}  // namespace headgate::server
