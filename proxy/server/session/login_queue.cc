#include "server/session/login_queue.h"

#include <algorithm>
#include <chrono>
#include <utility>

namespace headgate::server {
namespace {

// How often it is seen to that nobody waits for nothing.
constexpr std::uint64_t kQueueRoundMs = 50;
// Between two lines in the log about one backend.
constexpr std::uint64_t kQuietMs = 10'000;
constexpr std::size_t kFirstTidying = 64;

}  // namespace

struct LoginQueue::Gate {
  std::shared_ptr<balance::BackendState> backend;
  balance::AdmissionRules rules;   // as the last one who came has them
  std::uint32_t under_way = 0;     // of this worker
  std::uint32_t waiting_here = 0;  // in `waiting`
  IntrusiveList<Place> waiting;    // the first is called first
  std::uint64_t noted_ms = 0;      // a line in the log; 0: never

  [[nodiscard]] bool idle() const { return under_way == 0 && waiting_here == 0; }
};

void LoginQueue::Place::end(balance::Admission::Outcome outcome, std::uint64_t took_us) {
  if (gate_ == nullptr) {
    return;
  }
  Gate& gate = *std::exchange(gate_, nullptr);
  --gate.under_way;
  gate.backend->admission.end(gate.rules, outcome, took_us,
                              static_cast<std::int64_t>(queue_.timers_.now_ms()));
  queue_.call_some(gate);
}

void LoginQueue::Place::give_up() {
  if (linked()) {
    gate_->backend->admission.count_refused();
  }
  leave();
}

void LoginQueue::Place::leave() {
  if (linked()) {
    queue_.stop_waiting(*this);
    gate_ = nullptr;
  } else {
    end(balance::Admission::Outcome::kNothing, 0);
  }
}

LoginQueue::LoginQueue(net::TimerWheel& timers, metrics::WorkerMetrics& metrics,
                       std::size_t workers)
    : timers_(timers),
      metrics_(metrics),
      workers_(workers),
      tidy_at_(kFirstTidying),
      round_(this, &LoginQueue::on_round) {}

LoginQueue::~LoginQueue() = default;

LoginQueue::Answer LoginQueue::enter(Place& place,
                                     const std::shared_ptr<balance::BackendState>& backend,
                                     const balance::AdmissionRules& rules) {
  Gate& gate = gate_of(backend);
  gate.rules = rules;
  if (gate.waiting_here == 0 && try_begin(gate)) {
    place.gate_ = &gate;
    return Answer::kBegin;
  }
  if (!backend->admission.wait(rules)) {
    return Answer::kFull;
  }
  place.gate_ = &gate;
  place.since_ms_ = timers_.now_ms();
  gate.waiting.push_back(place);
  ++gate.waiting_here;
  if (!round_.armed()) {
    timers_.arm(round_, kQueueRoundMs);
  }
  return Answer::kWait;
}

void LoginQueue::begin(Place& place, const std::shared_ptr<balance::BackendState>& backend,
                       const balance::AdmissionRules& rules) {
  Gate& gate = gate_of(backend);
  gate.rules = rules;
  backend->admission.begin();
  ++gate.under_way;
  place.gate_ = &gate;
}

bool LoginQueue::begins_to_wait(const Place& place) {
  Gate& gate = *place.gate_;
  const std::uint64_t now = timers_.now_ms();
  const std::uint64_t before = std::exchange(gate.noted_ms, now);
  return before == 0 || now - before >= kQuietMs;
}

// Those that nobody needs go now and then, so that a login at a quiet backend costs no allocation.
LoginQueue::Gate& LoginQueue::gate_of(const std::shared_ptr<balance::BackendState>& backend) {
  const auto known = gates_.find(backend.get());
  if (known != gates_.end()) {
    return *known->second;
  }
  if (gates_.size() >= tidy_at_) {
    std::erase_if(gates_, [](const auto& one) { return one.second->idle(); });
    tidy_at_ = std::max(kFirstTidying, 2 * gates_.size());
  }
  auto& gate = gates_[backend.get()];
  gate = std::make_unique<Gate>();
  gate->backend = backend;
  return *gate;
}

bool LoginQueue::try_begin(Gate& gate) const {
  balance::Admission& admission = gate.backend->admission;
  if (gate.under_way == 0) {
    admission.begin();
    ++gate.under_way;
    return true;
  }
  const bool others_wait = admission.waiting() > gate.waiting_here;
  if (others_wait && gate.under_way >= admission.limit(gate.rules) / workers_) {
    return false;
  }
  if (!admission.try_begin(gate.rules)) {
    return false;
  }
  ++gate.under_way;
  return true;
}

void LoginQueue::call_some(Gate& gate) {
  if (gate.waiting_here == 0) {
    return;
  }
  const bool down = gate.backend->retry_at_ms.load(std::memory_order_relaxed) >
                    static_cast<std::int64_t>(timers_.now_ms());
  while (gate.waiting_here != 0 && (down || try_begin(gate))) {
    tell(gate, *gate.waiting.front(), down ? Call::kBackendDown : Call::kTurn);
  }
}

void LoginQueue::tell(Gate& gate, Place& place, Call what) {
  stop_waiting(place);
  place.gate_ = what == Call::kTurn ? &gate : nullptr;
  place.on_call_(place.owner_, what);
}

void LoginQueue::stop_waiting(Place& place) {
  Gate& gate = *place.gate_;
  place.unlink();
  --gate.waiting_here;
  gate.backend->admission.stop_waiting();
  metrics_.admission_wait.observe(std::chrono::milliseconds(timers_.now_ms() - place.since_ms_));
}

void LoginQueue::on_round(void* self) noexcept {
  static_cast<LoginQueue*>(self)->round();
}

// What no login of this worker tells: other workers have left room, or health checks have taken the
// backend out.
void LoginQueue::round() {
  bool waiting = false;
  for (auto& [backend, gate] : gates_) {
    call_some(*gate);
    waiting = waiting || gate->waiting_here != 0;
  }
  if (waiting) {
    timers_.arm(round_, kQueueRoundMs);
  }
}

}  // namespace headgate::server
