#include "server/worker.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "base/log.h"
#include "base/thread_name.h"
#include "server/session/overloaded.h"

namespace headgate::server {
namespace {

constexpr std::size_t kFreeBuffersKept = 16;
}  // namespace

Worker::Worker(Options options)
    : index_(options.index),
      metrics_(std::move(options.metrics)),
      workers_(*options.workers),
      waiting_room_(*options.waiting_room),
      users_(*options.users),
      guesses_(*options.guesses),
      buffers_(options.first.snapshot->config.relay.buffer_size, kFreeBuffersKept),
      random_(std::random_device{}()) {
  timers_.emplace(loop_);
  turns_.emplace(loop_, 1);
  login_queue_.emplace(*timers_, *metrics_, options.count);
  const std::size_t most_held = options.first.snapshot->config.admin.moves.max_waiting;
  held_logins_.emplace(*timers_, *metrics_, (most_held + options.count - 1) / options.count);
  wakeup_.emplace(loop_, [this] { on_mail(); });
  turn_end_.emplace(loop_, [this] { on_turn_end(); });
  take_up(std::move(options.first));
}

Worker::~Worker() {
  stop();  // of one that never ran
  close_loop();
  listeners_.clear();
  ready_.stop();
  closing_listeners_.clear();
  login_queue_.reset();
  held_logins_.reset();
  turns_.reset();
  timers_.reset();
  loop_.drain();
}

// From here on everything that begins goes by this. What is under way keeps the generation before
// until it ends.
void Worker::take_up(NewGeneration news) {
  close_listeners_but(news.listeners);  // the last connections they accept are of the old one

  auto terms = std::make_shared<Terms>();
  terms->snapshot = std::move(news.snapshot);
  for (const config::Listener& listener : terms->snapshot->config.listeners) {
    terms->listeners.push_back(&metrics_->listener(listener.name));
  }
  terms->server_tls = std::move(news.tls.servers);

  auto fresh = std::make_shared<Generation>();
  fresh->terms = std::move(terms);
  fresh->pools = std::move(news.pools);
  fresh->client_tls = std::move(news.tls.clients);
  fresh->any_cert_tls = std::move(news.tls.any_cert_clients);
  fresh->any_cert_refused.resize(fresh->client_tls.size());
  fresh->sources = std::move(news.sources);
  fresh->chain = std::make_unique<auth::Chain>(
      *timers_, fresh->sources->make_sources(loop_, *timers_, *metrics_),
      fresh->sources->longest_deadline());
  fresh->exchanges =
      std::make_unique<auth::Exchanges>(loop_, *fresh->chain, fresh->sources->decoys());
  fresh->policy = fresh->sources->make_policy_client(loop_, *timers_);
  generation_.swap(fresh);
  if (fresh) {
    retired_.push_back(std::move(fresh));
  }
  open_listeners(std::move(news.listeners));
  ready_.start(generation_);
}

void Worker::close_listeners_but(const std::vector<ListenerSocket>& staying) {
  for (std::size_t i = 0; i < listeners_.size(); ++i) {
    if (std::ranges::find(staying, i, &ListenerSocket::was) == staying.end()) {
      listeners_[i]->stop();
      closing_listeners_.push_back(std::move(listeners_[i]));
    }
  }
}

// Sockets that stay keep what waits in their queues.
void Worker::open_listeners(std::vector<ListenerSocket> sockets) {
  const config::Config& config = generation_->terms->snapshot->config;
  std::vector<std::unique_ptr<Listener>> before = std::exchange(listeners_, {});
  for (std::size_t i = 0; i < sockets.size(); ++i) {
    if (sockets[i].was) {
      listeners_.push_back(std::move(before[*sockets[i].was]));
      listeners_.back()->change(i, config.listeners[i].backlog, config.relay.keepalive);
    } else {
      listeners_.push_back(std::make_unique<Listener>(*this, i, std::move(sockets[i].fd)));
    }
  }
}

std::unique_ptr<BackendLeg> Worker::new_backend_leg(const Generation& generation, std::size_t pool,
                                                    const balance::Backend& backend,
                                                    const Endpoint& endpoint, TlsAtBackend tls,
                                                    void* owner, Connection::Callback callback) {
  const Snapshot& snapshot = *generation.terms->snapshot;
  const config::Config& config = snapshot.config;
  return std::make_unique<BackendLeg>(
      loop_, scratch_,
      BackendLeg::Target{
          endpoint,
          backend.address.host,
          tls.mode,
          (tls.verified ? generation.client_tls : generation.any_cert_tls)[pool].get(),
          {.idle_s = static_cast<unsigned>(config.relay.keepalive.count())}},
      snapshot.protocols.front()->backend(tls.mode == config::TlsMode::kStartTls), owner, callback);
}

void Worker::run() {
  name_this_thread(fmt::format("worker {}", index_));
  loop_.run();
  close_loop();
}

// What is left on the loop after this ends by itself: farewells, and work on the thread pool.
void Worker::close_loop() {
  {
    const std::lock_guard lock(mail_mutex_);
    wakeup_.reset();
    mail_.clear();  // whoever waits for an answer gets none
  }
  survey_.stop();
  turn_end_.reset();
  // Sources may hold handles of the loop, and none of them may hold up the end.
  retired_.clear();
  generation_.reset();
  timers_->let_loop_end();
  turns_->let_loop_end();
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
                   [this](NewPools& news) { generation_->pools = std::move(news.pools); },
                   [this](NewGeneration& news) {
                     if (!stopping_) {
                       take_up(std::move(news));
                     }
                   },
                   [this](DropOldest) { drop_oldest(); },
                   [this](const EndLeftBehind& left) { on_left_behind(left); },
                   [this](AnswerSurvey& asked) {
                     survey_.begin(std::move(asked.part));
                     turn_end_->set_busy(true);
                   },
                   [this](const EndUser& end) { on_end_user(*end.order); },
                   [this](const ReleaseUser& free) { held_logins_->release(free.user); },
                   [this](const FindIdle& find) { on_find_idle(find.search); },
                   [this](const EndIdle& end) { on_end_idle(end); },
                   [](const RoomMade& room) {
                     if (Session* login = room.search->login()) {
                       login->on_room(room.made);
                     }
                   },
                   [this](Stop) { stop(); },
               },
               message);
  }
}

metrics::ListenerMetrics& Worker::listener_metrics(std::size_t listener) {
  return *generation_->terms->listeners[listener];
}

void Worker::adopt(std::size_t listener, net::Accepted accepted) {
  listener_metrics(listener).connections.add();
  // Owned by itself until bury(): the lists hold it meanwhile.
  auto* session = new Session(*this, listener, std::move(accepted));
  admit(*session);
  if (!session->closed()) {  // with others still on their way in, it may have been the oldest
    session->start();
  }
}

void Worker::admit(Session& session) {
  waiting_.push_back(session);
  ++waiting_count_;
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

std::shared_ptr<IdleSearch> Worker::find_idle(std::uint64_t user, std::uint64_t before_ms,
                                              Session& login) {
  auto search = std::make_shared<IdleSearch>(user, before_ms, index_, workers_.size(), login);
  for (const auto& worker : workers_) {
    worker->post(FindIdle{search});
  }
  return search;
}

void Worker::on_find_idle(const std::shared_ptr<IdleSearch>& search) {
  std::optional<IdleSearch::Found> oldest;
  const auto [first, last] = by_user_.equal_range(search->user());
  for (auto at = first; at != last; ++at) {
    const std::uint64_t moved = at->second->last_moved_ms();
    if (moved <= search->before_ms() && (!oldest || moved < oldest->moved_ms)) {
      oldest = {.worker = index_, .session = at->second->number(), .moved_ms = moved};
    }
  }
  const auto outcome = search->answer(oldest);
  if (outcome && outcome->oldest) {
    workers_[outcome->oldest->worker]->post(EndIdle{search, outcome->oldest->session});
  } else if (outcome) {
    workers_[search->home()]->post(RoomMade{search, false});
  }
}

// One that has ended by itself meanwhile has made room, too.
void Worker::on_end_idle(const EndIdle& end) {
  const auto [first, last] = by_user_.equal_range(end.search->user());
  const auto found = std::find_if(
      first, last, [&](const auto& one) { return one.second->number() == end.session; });
  if (found != last) {
    found->second->close(dialogue::CloseReason::kGaveWay, "to a newer session of the user");
  }
  workers_[end.search->home()]->post(RoomMade{end.search, true});
}

void Worker::on_end_user(UserEnd& end) {
  if (end.hold) {
    held_logins_->hold(end.user);
    for (Session* session = waiting_.front(); session != nullptr;
         session = waiting_.after(*session)) {
      session->step_back(end.user);
    }
  }
  std::vector<Session*> ending;
  const auto [first, last] = by_user_.equal_range(end.user);
  for (auto at = first; at != last; ++at) {
    if (end.hold || at->second->lease().backend != end.but_at) {
      ending.push_back(at->second);
    }
  }
  for (Session* session : ending) {
    session->close(dialogue::CloseReason::kMoved, end.detail);
  }
  end.ended.fetch_add(ending.size(), std::memory_order_relaxed);
}

void Worker::note_oldest() {
  const Session* oldest = waiting_.front();
  waiting_room_.set_oldest(index_, oldest ? oldest->started_ms() : WaitingRoom::kNobody);
}

void Worker::promote(Session& session) {
  survey_.leaving(session);
  relaying_.push_back(session);
  by_user_.emplace(session.lease().user, &session);
  --waiting_count_;
  waiting_room_.leave();
  note_oldest();
}

void Worker::bury(Session& session) {
  survey_.leaving(session);
  session.unlink();
  if (session.logged_in()) {
    const auto [first, last] = by_user_.equal_range(session.lease().user);
    by_user_.erase(
        std::find_if(first, last, [&](const auto& one) { return one.second == &session; }));
  } else {
    --waiting_count_;
    waiting_room_.leave();
    note_oldest();
  }
  buried_.emplace_back(&session);
}

void Worker::run_again(Session& session) {
  again_.push_back(&session);
  turn_end_->set_busy(true);
}

// One of those that stopped at their byte budget: all others have a turn before the next one.
void Worker::resume_one() {
  if (!again_.empty()) {
    Session* const session = again_.front();
    again_.pop_front();
    session->resume();
  }
}

void Worker::on_turn_end() {
  if (!again_.empty() || survey_.busy()) {
    resume_one();
    survey_.turn();
    turn_end_->set_busy(!again_.empty() || survey_.busy());
  }
  if (!buried_.empty()) {
    std::erase_if(again_, [](const Session* session) { return session->closed(); });
    buried_.clear();
  }
  ready_.replace_taken();
  if (!retired_.empty() || !closing_listeners_.empty()) {
    // Here, since their last user may have been one of their own callbacks.
    std::erase_if(retired_, [](const auto& generation) { return generation.use_count() == 1; });
    std::erase_if(closing_listeners_, [](const auto& listener) { return listener->closed(); });
  }
  metrics_->buffers_in_use.set(static_cast<std::int64_t>(buffers_.in_use()));
  metrics_->loop_lag.observe(std::chrono::duration_cast<metrics::Microseconds>(loop_.awake_for()));
  if (stopping_ && waiting_.empty() && relaying_.empty()) {
    loop_.stop();
  }
}

void Worker::stop() {
  if (stopping_) {
    return;
  }
  stopping_ = true;
  ready_.stop();
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
