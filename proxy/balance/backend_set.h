#pragma once

#include <atomic>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "balance/admission.h"
#include "balance/latency.h"
#include "base/address.h"

namespace headgate::balance {

// What all threads know of one backend; lives as long as anyone holds it and survives a reload by
// its pool and address. On cache lines of its own, since every worker writes to it.
struct alignas(64) BackendState {
  std::atomic<std::int64_t> sessions{0};   // logged in or logging in
  std::atomic<std::uint64_t> failures{0};  // connects and logins that failed by the backend's fault
  std::atomic<std::uint32_t> failures_in_a_row{0};
  std::atomic<std::int64_t> retry_at_ms{0};  // tried last before this time (steady clock); 0: up
  // How much of its weight counts, in tenths; a set that is prepared afterwards goes by it.
  std::atomic<std::uint32_t> tenths{10};
  // Which of its addresses is tried first, see first_address(). A guess: of other addresses than
  // before it is as good as any.
  std::atomic<std::uint32_t> address{0};
  std::atomic<std::int64_t> next_end_us{0};  // see wait_for_end()
  // Of logins that succeeded or ran into their deadline, in pools with health checks. Away from the
  // line that decisions read.
  alignas(64) LatencyCounter login_times;
  alignas(64) Admission admission;
};
inline constexpr std::uint32_t kWholeTenths = 10;

// retry_at_ms of a backend that health checks have taken out: tried last until they bring it back.
inline constexpr std::int64_t kUntilChecked = std::numeric_limits<std::int64_t>::max();

// What operators want of a backend.
enum class Service : std::uint8_t {
  kIn,        // users come by policy
  kDraining,  // no new users; those with sessions there stay until their last one has ended
  kMoving,    // no new users; those with sessions there go elsewhere with their next login
  kDisabled,  // nobody, not even who is pinned to it; endpoints are empty
};

struct Backend {
  HostPort address;
  std::vector<Endpoint> endpoints;  // resolved; empty: the name does not resolve
  unsigned weight = 100;            // 0: no new users
  std::uint64_t hash = 0;  // of the address; part of the placement, so never changes meaning
  std::shared_ptr<BackendState> state;
  bool backup = false;  // used only while no other backend is up
  unsigned share = 0;   // hundredths of a per cent of the pool's users, and nobody else; 0: off
  unsigned max_sessions = 0;  // takes no more sessions than these; 0: any number
  Service service = Service::kIn;
};

enum class Policy : std::uint8_t {
  kUserHash,
  kLeastSessions,
  kPowerOfTwo,
  kRoundRobin,
  kRandom,
  kFirst,
  kSourceHash,
};

// What the policies look at, closely packed: a decision between hundreds of backends is a walk over
// these.
struct Slot {
  // kNobody: weight 0, or not in service. kShare: for the users of its share alone.
  enum class Kind : std::uint8_t { kOrdinary, kBackup, kNobody, kShare };

  std::uint64_t hash = 0;
  const BackendState* state = nullptr;  // never null once prepared
  std::uint32_t weight = 0;             // at most kWeightLimit; tenfold in sets where tenths count
  std::uint32_t max_sessions = 0;
  Kind kind = Kind::kNobody;
  std::uint8_t weight_class = 0;  // the same for the same weight
  bool resolved = false;
};

// Slots of the same kind and weight: in BackendSet::packed_hashes and packed_slots from `begin` up
// to `end`.
struct Run {
  Slot::Kind kind = Slot::Kind::kNobody;
  std::uint32_t weight = 0;
  std::uint32_t begin = 0;
  std::uint32_t end = 0;
};

// What the backends that are up had, and weigh, when a decision last looked at all of them.
struct LoadSums {
  std::atomic<std::uint64_t> sessions{0};
  std::atomic<std::uint64_t> weights{0};  // 0: none has looked yet
};

// Sets with more different weights than these are decided more slowly.
inline constexpr std::size_t kWeightClasses = 16;

// Users that live at one backend, by their keys in the user table: Backend::hash.
using PinTable = std::unordered_map<std::uint64_t, std::uint64_t>;

// The backends of a pool at one moment, and how one of them is chosen; immutable, shared by
// pointer.
struct BackendSet {
  std::string pool;
  std::vector<Backend> backends;
  Policy policy = Policy::kUserHash;
  // kUserHash: no backend takes a new user when that brings it above this many per cent of its
  // share of the sessions; 0: no bound.
  unsigned load_bound = 0;
  // kRoundRobin: the next turn, one count for all workers; survives a reload by the pool's name.
  std::shared_ptr<std::atomic<std::uint64_t>> turns;
  AdmissionRules admission;
  unsigned lost_rate = 0;                // for wait_for_end(); 0: all at once
  std::shared_ptr<const PinTable> pins;  // by operators, before those of the configuration; or null

  // What follows from the backends; see prepare().
  std::vector<Slot> slots;
  // The same by runs, for walks that need nothing but hashes, or compare within equal weights.
  std::vector<Run> runs;
  std::vector<std::uint64_t> packed_hashes;
  std::vector<std::uint32_t> packed_slots;  // indices
  // A divisor of all weights, so that equal weights take strict turns.
  std::uint32_t weight_step = 1;
  std::shared_ptr<LoadSums> sums;  // for the load bound; never null once prepared
  bool few_weights = true;         // at most kWeightClasses
  bool has_shares = false;
};

// Fills in what follows from the backends. Due once they are complete, before a policy is asked.
void prepare(BackendSet& set);

// Stable 64-bit hashes: SipHash-2-4 with a fixed public key, over the user name or "host:port" with
// ASCII letters in lower case. Placement is no secret, only the same for ever on every machine.
std::uint64_t user_key(std::string_view user);
std::uint64_t backend_key(const HostPort& address);
// Over the client's address: all of an IPv4 address, the first 64 bits of an IPv6 address, since a
// household has a network of that size and its devices change the rest.
std::uint64_t source_key(const IpAddress& client);

// Which part of the user name is hashed.
enum class HashInput : std::uint8_t {
  kUser,           // "alice+lists@example.org"
  kWithoutDetail,  // "alice@example.org": up to the first '+' of what stands before the last '@'
  kDomain,         // "example.org": what follows the last '@'; all of it when there is none
};
std::uint64_t user_key(std::string_view user, HashInput input);

// A backend with live sessions of a user has to fail twice in a row before the user leaves it
// without having tried: one refused connect must not end sessions that work.
inline constexpr std::uint32_t kFailuresToLeave = 2;

// Passive health. Failed: tried last for `base_ms`, doubling with each failure in a row up to 30 s,
// spread by ±20 % (`random`). Failures while it is tried last already are counted but do not double
// again: a hundred sessions that fail together are one failure in a row. Succeeded: up again.
// `trial`: this login was the one that tried it again, so that its failure doubles.
void note_failure(BackendState& state, std::int64_t now_ms, std::int64_t base_ms,
                  std::uint64_t random, bool trial = false);
void note_success(BackendState& state);
// A login begins there. True: the backend has failed and its time is over, and this login is the
// one that tries whether it is back; the others go on to try it last, for at most `for_ms`.
bool begin_trial(BackendState& state, std::int64_t now_ms, std::int64_t for_ms);

// Sessions whose backend broke under them end one after the other, at most `rate` a second, at
// least 1: how many milliseconds from now on the next one waits. One that is alone waits for none.
std::int64_t wait_for_end(BackendState& state, std::int64_t now_ms, unsigned rate);

// A backend with several addresses has failed when all of them have. The one that worked last is
// tried first; when it fails, the next one is, by everybody. An index in Backend::endpoints, 0
// where there are none.
std::size_t first_address(const Backend& backend);
void note_address_worked(const Backend& backend, const Endpoint& address);
void note_address_failed(const Backend& backend, const Endpoint& address);

// Active health checks took it out, or bring it back. A login that fails meanwhile is counted and
// one that succeeds changes nothing: it is the checks' to say when. Users with live sessions there
// leave it with their next login, as after two failed ones; back, its failures are forgotten.
void note_taken_out(BackendState& state);
void note_brought_back(BackendState& state);
bool is_taken_out(const BackendState& state);

// Whether it has an address and is not tried last at present.
bool is_up(const Backend& backend, std::int64_t now_ms);
// Whether a user with sessions there may go on to log in there.
bool keeps_users(const Backend& backend);
// Whether it has as many sessions as it may have.
bool is_full(const Backend& backend);
std::int64_t sessions_of(const Backend& backend);

// How uneven the sessions are: those of the fullest backend by what its weight says it should have
// of all; 1: each has its share. Of the backends that new users may come to; none: no two of them,
// or no session there.
std::optional<double> load_spread(const BackendSet& set, std::int64_t now_ms);
// The part of all weights in service that is away from backends which are slow or start slowly: 0
// to 1.
double weight_away(const BackendSet& set);

}  // namespace headgate::balance
