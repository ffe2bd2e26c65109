#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <string>
#include <unordered_map>
#include <variant>
#include <vector>

#include "balance/user_table.h"
#include "base/intrusive_list.h"
#include "metrics/worker_metrics.h"
#include "net/buffer_pool.h"
#include "net/loop.h"
#include "net/socket.h"
#include "net/timer_wheel.h"
#include "net/transport.h"
#include "server/generation.h"
#include "server/listener.h"
#include "server/operations/session_survey.h"
#include "server/session/backend_proof.h"
#include "server/session/guess_guard.h"
#include "server/session/held_logins.h"
#include "server/session/idle_search.h"
#include "server/session/login_queue.h"
#include "server/session/ready_connections.h"
#include "server/session/session.h"
#include "server/session/waiting_room.h"

namespace headgate::server {

// What other threads ask of a worker, beside NewGeneration.
struct NewPools {
  Pools pools;
  Taken taken;
};
struct DropOldest {};  // the oldest session before login gives way
// Sessions of this user that were established before this epoch: the user has moved elsewhere.
struct EndLeftBehind {
  std::uint64_t user = 0;
  std::uint32_t epoch = 0;
};
// The user's sessions end, but those at one backend. With `hold` all end, those at no backend yet
// step back, and logins wait until ReleaseUser. Whoever ordered it sees that all workers have done
// it by being the last to hold the order.
struct UserEnd {
  std::uint64_t user = 0;  // key in the user table
  bool hold = false;
  std::uint64_t but_at = 0;  // Backend::hash; without hold
  std::string detail;        // of the ends
  std::atomic<std::uint64_t> ended{0};
};
struct EndUser {
  std::shared_ptr<UserEnd> order;
};
struct ReleaseUser {
  std::uint64_t user = 0;
};
struct AnswerSurvey {
  std::unique_ptr<SurveyPart> part;
};
// Which session of a user has been idle for longest: answered by EndIdle to the worker that has it,
// and by RoomMade to the one that asked.
struct FindIdle {
  std::shared_ptr<IdleSearch> search;
};
struct EndIdle {
  std::shared_ptr<IdleSearch> search;
  std::uint64_t session = 0;
};
struct RoomMade {
  std::shared_ptr<IdleSearch> search;
  bool made = false;
};
struct Stop {};  // no new sessions; those there are end now
using Message = std::variant<NewPools, NewGeneration, DropOldest, EndLeftBehind, AnswerSurvey,
                             EndUser, ReleaseUser, FindIdle, EndIdle, RoomMade, Stop>;

// One thread with everything a session touches: loop, listeners, TLS contexts, buffers, timers,
// counters. A session lives and dies on its worker.
class Worker {
 public:
  struct Options {
    std::size_t index = 0;
    std::size_t count = 1;  // of all workers
    NewGeneration first;
    std::shared_ptr<metrics::WorkerMetrics> metrics;
    std::vector<std::unique_ptr<Worker>>* workers = nullptr;  // all of them, this one too
    WaitingRoom* waiting_room = nullptr;
    balance::UserTable* users = nullptr;
    GuessGuard* guesses = nullptr;
  };
  explicit Worker(Options options);
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  // The thread's body: returns after Stop, when the last session is gone and its farewell is out.
  void run();
  void post(Message message);  // any thread

  // For listeners. The one way in.
  void adopt(std::size_t listener, net::Accepted accepted);

  // For sessions.
  net::Loop& loop() { return loop_; }
  net::TimerWheel& timers() { return *timers_; }
  // For ends in turn: what ends in one tick comes back in one moment, and all others wait for it.
  net::TimerWheel& turns() { return *turns_; }
  net::IoScratch& scratch() { return scratch_; }
  net::BufferPool& buffers() { return buffers_; }
  net::SplicePipes& pipes() { return pipes_; }
  metrics::WorkerMetrics& metrics() { return *metrics_; }
  metrics::ListenerMetrics& listener_metrics(std::size_t listener);
  // What is in force. A session keeps what it needs of it, and looks here only when something
  // begins: the connection, or an attempt to log in.
  const std::shared_ptr<Generation>& generation() const { return generation_; }
  std::uint64_t random() { return random_(); }
  ReadyConnections& ready_connections() { return ready_; }
  LoginQueue& login_queue() { return *login_queue_; }
  HeldLogins& held_logins() { return *held_logins_; }
  // A connection to the backend in the way of its pool, but with this TLS, not begun.
  std::unique_ptr<BackendLeg> new_backend_leg(const Generation& generation, std::size_t pool,
                                              const balance::Backend& backend,
                                              const Endpoint& endpoint, TlsAtBackend tls,
                                              void* owner, Connection::Callback callback);
  balance::UserTable& users() { return users_; }
  GuessGuard& guesses() { return guesses_; }
  // Ends sessions at the place that their user has left, on every worker.
  void end_left_behind(std::uint64_t user, std::uint32_t epoch);
  // Asks all workers for the session of the user that has been idle for longest, and at least since
  // `before_ms`, and ends it; then the login gets on_room().
  std::shared_ptr<IdleSearch> find_idle(std::uint64_t user, std::uint64_t before_ms,
                                        Session& login);
  // On its way out: memory goes at the end of the turn.
  void bury(Session& session);
  // Stopped at its byte budget: resume() at the end of the turn.
  void run_again(Session& session);
  // Whether so many are on their way in that one more is net::Urgency::kCanWait and no longer
  // kSoon.
  [[nodiscard]] bool crowded() const { return waiting_count_ >= kFewWaiting; }
  // Logged in: it no longer counts as waiting.
  void promote(Session& session);
  [[nodiscard]] bool stopping() const { return stopping_; }

 private:
  void on_mail();
  void take_up(NewGeneration news);
  void close_listeners_but(const std::vector<ListenerSocket>& staying);
  void open_listeners(std::vector<ListenerSocket> sockets);
  void on_turn_end();
  void resume_one();
  void admit(Session& session);
  void drop_oldest();
  void on_left_behind(const EndLeftBehind& left);
  void on_end_user(UserEnd& end);
  void on_find_idle(const std::shared_ptr<IdleSearch>& search);
  void on_end_idle(const EndIdle& end);
  void note_oldest();
  void stop();
  void close_loop();

  const std::size_t index_;
  std::shared_ptr<metrics::WorkerMetrics> metrics_;
  std::vector<std::unique_ptr<Worker>>& workers_;
  WaitingRoom& waiting_room_;
  balance::UserTable& users_;
  GuessGuard& guesses_;

  net::Loop loop_;
  std::optional<net::TimerWheel> timers_;
  std::optional<net::TimerWheel> turns_;
  net::IoScratch scratch_;
  net::BufferPool buffers_;
  net::SplicePipes pipes_;
  std::shared_ptr<Generation> generation_;
  std::vector<std::shared_ptr<Generation>> retired_;  // go with the turn in which nobody holds them
  std::vector<std::unique_ptr<Listener>> listeners_;  // as config.listeners
  std::vector<std::unique_ptr<Listener>> closing_listeners_;
  std::mt19937_64 random_;

  ReadyConnections ready_{*this};
  std::optional<LoginQueue> login_queue_;
  std::optional<HeldLogins> held_logins_;
  static constexpr std::size_t kFewWaiting = 64;  // a quarter of what one epoll_wait() tells
  IntrusiveList<Session> waiting_;                // not logged in, oldest first
  std::size_t waiting_count_ = 0;
  IntrusiveList<Session> relaying_;
  std::unordered_multimap<std::uint64_t, Session*> by_user_;  // those that relay
  SurveyWalk survey_{waiting_, relaying_};
  std::deque<Session*> again_;
  std::vector<std::unique_ptr<Session>> buried_;
  bool stopping_ = false;

  std::mutex mail_mutex_;
  std::vector<Message> mail_;
  std::optional<net::Wakeup> wakeup_;
  std::optional<net::TurnEnd> turn_end_;
};

}  // namespace headgate::server
