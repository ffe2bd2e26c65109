#include "metrics/collector.h"

#include <prometheus/metric_family.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <map>
#include <string_view>
#include <utility>

#include "dialogue/close_reason.h"
#include "dialogue/failure.h"
#include "dialogue/limit.h"
#include "metrics/catalog.h"
#include "metrics/process.h"
#include "metrics/text_writer.h"

#ifdef __clang__
#define HEADGATE_COMPILER "clang " __clang_version__
#else
#define HEADGATE_COMPILER "gcc " __VERSION__
#endif

namespace headgate::metrics {
namespace {

using prometheus::MetricFamily;

constexpr std::size_t kRoomToGrow = 4096;  // figures get longer

using Workers = std::vector<std::shared_ptr<const WorkerMetrics>>;

// Adds up one counter over all workers.
std::uint64_t sum(const Workers& workers, auto counter_of) {
  std::uint64_t total = 0;
  for (const auto& worker : workers) {
    total += counter_of(*worker).value();
  }
  return total;
}

// One listener name, over all workers.
struct ListenerSum {
  std::uint64_t connections = 0;
  std::array<std::uint64_t, kAcceptErrorNames.size()> accept_errors{};
  std::array<std::int64_t, kPhaseNames.size()> sessions{};
};

void add_listeners(Page& page, const Workers& workers) {
  std::map<std::string_view, ListenerSum> sums;
  for (const auto& worker : workers) {
    for (const auto* one = worker->first_listener(); one != nullptr; one = one->next) {
      ListenerSum& all = sums[one->name];
      all.connections += one->connections.value();
      for (std::size_t at = 0; at < all.accept_errors.size(); ++at) {
        all.accept_errors[at] += one->accept_errors[at].value();
      }
      for (std::size_t at = 0; at < all.sessions.size(); ++at) {
        all.sessions[at] += one->sessions[at].value();
      }
    }
  }
  for (const auto& [listener, all] : sums) {
    page.add(MetricId::kConnections, {listener}, all.connections);
    for (std::size_t at = 0; at < all.accept_errors.size(); ++at) {
      page.add(MetricId::kAcceptErrors, {listener, kAcceptErrorNames[at]}, all.accept_errors[at]);
    }
    for (std::size_t at = 0; at < all.sessions.size(); ++at) {
      page.add(MetricId::kSessions, {listener, kPhaseNames[at]}, all.sessions[at]);
    }
  }
}

void add_handshakes(Page& page, const Workers& workers) {
  for (std::size_t side = 0; side < kSideNames.size(); ++side) {
    for (std::size_t version = 0; version < kTlsVersionNames.size(); ++version) {
      for (const std::size_t ok : {1U, 0U}) {
        for (const std::size_t resumed : {1U, 0U}) {
          const auto count = sum(workers, [&](const WorkerMetrics& worker) -> const Counter& {
            return worker.handshakes[side][version][ok][resumed];
          });
          page.add(MetricId::kTlsHandshakes,
                   {kSideNames[side], kTlsVersionNames[version], ok != 0 ? "ok" : "failed",
                    resumed != 0 ? "yes" : "no"},
                   count);
        }
      }
    }
  }
}

void add_logins(Page& page, const Workers& workers) {
  page.add(MetricId::kLogins, {"ok"},
           sum(workers, [](const auto& worker) -> auto& { return worker.logins_ok; }));
  for (const dialogue::FailureInfo& failure : dialogue::all_failures()) {
    page.add(MetricId::kLogins, {failure.name}, sum(workers, [&](const auto& worker) -> auto& {
               return worker.logins_failed[index(failure.failure)];
             }));
  }
  for (std::size_t stage = 0; stage < kStageNames.size(); ++stage) {
    HistogramSum durations(kLoginBounds);
    for (const auto& worker : workers) {
      durations.add(worker->login_duration[stage]);
    }
    page.add(MetricId::kLoginDuration, {kStageNames[stage]}, durations);
  }
  HistogramSum waits(kLoginBounds);
  for (const auto& worker : workers) {
    waits.add(worker->admission_wait);
  }
  page.add(MetricId::kAdmissionWait, {}, waits);
  page.add(MetricId::kBadCommands, {},
           sum(workers, [](const auto& worker) -> auto& { return worker.bad_commands; }));
  for (const dialogue::Limit limit : dialogue::all_limits()) {
    page.add(
        MetricId::kLimitHits, {dialogue::name(limit)},
        sum(workers, [&](const auto& worker) -> auto& { return worker.limit_hits[index(limit)]; }));
  }
}

void add_certificates(Page& page, const Workers& workers) {
  for (std::size_t shown = 0; shown < kClientCertificateNames.size(); ++shown) {
    page.add(MetricId::kClientCertificates, {kClientCertificateNames[shown]},
             sum(workers,
                 [&](const auto& worker) -> auto& { return worker.client_certificates[shown]; }));
  }
  for (std::size_t wish = 0; wish < kAnyCertificateNames.size(); ++wish) {
    page.add(
        MetricId::kAnyCertificates, {kAnyCertificateNames[wish]},
        sum(workers, [&](const auto& worker) -> auto& { return worker.any_certificates[wish]; }));
  }
}

void add_guesses(Page& page, const Workers& workers) {
  for (std::size_t factor = 0; factor < kFactorNames.size(); ++factor) {
    page.add(MetricId::kLoginFactors, {kFactorNames[factor]},
             sum(workers, [&](const auto& worker) -> auto& { return worker.factors[factor]; }));
  }
  for (std::size_t by = 0; by < kGuessLimitNames.size(); ++by) {
    page.add(MetricId::kGuessesRefused, {kGuessLimitNames[by]},
             sum(workers, [&](const auto& worker) -> auto& { return worker.guesses_refused[by]; }));
  }
  for (const std::size_t counted : {1U, 0U}) {
    page.add(MetricId::kGuessFailures, {counted != 0 ? "no" : "yes"},
             sum(workers,
                 [&](const auto& worker) -> auto& { return worker.failures_counted[counted]; }));
  }
  HistogramSum delays(kLoginBounds);
  for (const auto& worker : workers) {
    delays.add(worker->guess_delay);
  }
  page.add(MetricId::kGuessDelay, {}, delays);
}

void add_sessions(Page& page, const Workers& workers) {
  for (const dialogue::CloseInfo& reason : dialogue::all_close_reasons()) {
    page.add(MetricId::kSessionEnds, {reason.name}, sum(workers, [&](const auto& worker) -> auto& {
               return worker.session_ends[index(reason.reason)];
             }));
  }
  for (std::size_t at = 0; at < kFarewellNames.size(); ++at) {
    page.add(MetricId::kFarewells, {kFarewellNames[at]},
             sum(workers, [&](const auto& worker) -> auto& { return worker.farewells[at]; }));
  }
  HistogramSum durations(kSessionBounds);
  for (const auto& worker : workers) {
    durations.add(worker->session_duration);
  }
  page.add(MetricId::kSessionDuration, {}, durations);
  for (std::size_t at = 0; at < kDirectionNames.size(); ++at) {
    page.add(MetricId::kRelayedBytes, {kDirectionNames[at]},
             sum(workers, [&](const auto& worker) -> auto& { return worker.relayed[at]; }));
  }
  for (std::size_t side = 0; side < kSideNames.size(); ++side) {
    for (std::size_t by = 0; by < kRecordsByNames.size(); ++by) {
      page.add(
          MetricId::kTlsRelayedTotal, {kSideNames[side], kRecordsByNames[by]},
          sum(workers, [&](const auto& worker) -> auto& { return worker.tls_relayed[side][by]; }));
    }
  }
}

void add_workers(Page& page, const Workers& workers) {
  for (std::size_t at = 0; at < kReadyConnectionNames.size(); ++at) {
    page.add(MetricId::kReadyConnectionsTotal, {kReadyConnectionNames[at]},
             sum(workers,
                 [&](const auto& worker) -> auto& { return worker.ready_connections_total[at]; }));
  }
  for (std::size_t at = 0; at < workers.size(); ++at) {
    const std::string worker = std::to_string(at);
    page.add(MetricId::kReadyConnections, {worker}, workers[at]->ready_connections.value());
    page.add(MetricId::kBuffersInUse, {worker}, workers[at]->buffers_in_use.value());
    page.add(MetricId::kBulkSessions, {worker}, workers[at]->bulk_sessions.value());
    page.add(MetricId::kLostSessions, {worker}, workers[at]->lost_sessions.value());
    HistogramSum lag(kLagBounds);
    lag.add(workers[at]->loop_lag);
    page.add(MetricId::kLoopLag, {worker}, lag);
  }
}

void add_backends(Page& page, const std::vector<BackendFigures>& backends) {
  for (const BackendFigures& one : backends) {
    const Page::LabelValues labels = {one.pool, one.backend};
    page.add(MetricId::kBackendSessions, labels, one.sessions);
    page.add(MetricId::kBackendUp, labels, one.up ? 1 : 0);
    page.add(MetricId::kBackendWeight, labels, one.weight);
    page.add(MetricId::kBackendDraining, labels, one.draining ? 1 : 0);
    page.add(MetricId::kBackendDisabled, labels, one.disabled ? 1 : 0);
    page.add(MetricId::kBackendFailures, labels, one.failures);
    if (one.admission) {
      page.add(MetricId::kAdmissionLimit, labels, one.admission->limit);
      page.add(MetricId::kAdmissionUnderWay, labels, one.admission->under_way);
      page.add(MetricId::kAdmissionWaiting, labels, one.admission->waiting);
      page.add(MetricId::kAdmissionRefused, labels, one.admission->refused);
    }
  }
}

void add_health(Page& page, const std::vector<HealthFigures>& backends) {
  for (const HealthFigures& one : backends) {
    for (const std::string_view state : kBackendStateNames) {
      page.add(MetricId::kBackendState, {one.pool, one.backend, state}, one.state == state ? 1 : 0);
    }
    page.add(MetricId::kBackendStateSince, {one.pool, one.backend},
             std::chrono::duration<double>(one.since.time_since_epoch()).count());
    page.add(MetricId::kBackendWeightRatio, {one.pool, one.backend}, one.tenths / 10.0);
    page.add(MetricId::kBackendLoginP95, {one.pool, one.backend},
             std::chrono::duration<double>(one.login_p95).count());
    page.add(MetricId::kBackendChecks, {one.pool, one.backend, "passed"}, one.passed);
    page.add(MetricId::kBackendChecks, {one.pool, one.backend, "failed"}, one.failed);
    for (std::size_t at = 0; at < one.stages.size(); ++at) {
      page.add(MetricId::kBackendCheckDuration,
               {one.pool, one.backend, dialogue::kCheckStageNames[at]},
               std::chrono::duration<double>(one.stages[at]).count());
    }
  }
}

void add_users(Page& page, const UserFigures& users) {
  page.add(MetricId::kUsers, {}, users.users);
  page.add(MetricId::kUsersAway, {}, users.away);
  page.add(MetricId::kSessionsLeftBehind, {}, users.left_behind);
  page.add(MetricId::kUserTableBytes, {}, users.bytes);
  page.add(MetricId::kUserTableOverflows, {}, users.overflows);
}

void add_moves(Page& page, const MoveFigures& moves) {
  for (std::size_t at = 0; at < kMoveStateNames.size(); ++at) {
    page.add(MetricId::kMovingUsers, {kMoveStateNames[at]}, moves.users[at]);
  }
  for (std::size_t at = 0; at < kMoveResultNames.size(); ++at) {
    page.add(MetricId::kMovedUsers, {kMoveResultNames[at]}, moves.results[at]);
  }
  for (std::size_t at = 0; at < kMoveHookResultNames.size(); ++at) {
    page.add(MetricId::kMoveHooks, {kMoveHookResultNames[at]}, moves.hooks[at]);
  }
  page.add(MetricId::kMoveHookSeconds, {}, moves.hook_seconds);
}

void add_held_logins(Page& page, const Workers& workers) {
  std::int64_t held = 0;
  HistogramSum waits(kLoginBounds);
  for (const auto& worker : workers) {
    held += worker->held_logins.value();
    waits.add(worker->hold_wait);
  }
  page.add(MetricId::kHeldLogins, {}, held);
  page.add(MetricId::kHoldWait, {}, waits);
  for (std::size_t at = 0; at < kWaitedForNames.size(); ++at) {
    page.add(
        MetricId::kLoginsAbandoned, {kWaitedForNames[at]},
        sum(workers, [&](const auto& worker) -> auto& { return worker.logins_abandoned[at]; }));
  }
}

void add_limits(Page& page, const std::vector<LimitFigures>& limits) {
  for (const LimitFigures& one : limits) {
    const Page::LabelValues labels = {one.scope, one.of};
    page.add(MetricId::kSessionLimit, labels, one.limit);
    page.add(MetricId::kSessionLimitMost, labels, one.most);
    page.add(MetricId::kSessionLimitNear, labels, one.near);
  }
}

// One user source, over all workers.
struct SourceSum {
  std::array<std::uint64_t, kSourceResultNames.size()> results{};
  std::array<std::uint64_t, kCacheResultNames.size()> cache{};
  HistogramSum duration{kLoginBounds};
  std::int64_t under_way = 0;
  std::int64_t queued = 0;
};

void add_user_sources(Page& page, const Workers& workers) {
  std::map<std::string_view, SourceSum> sums;
  for (const auto& worker : workers) {
    for (const auto* one = worker->first_source(); one != nullptr; one = one->next) {
      SourceSum& all = sums[one->name];
      for (std::size_t at = 0; at < all.results.size(); ++at) {
        all.results[at] += one->results[at].value();
      }
      for (std::size_t at = 0; at < all.cache.size(); ++at) {
        all.cache[at] += one->cache[at].value();
      }
      all.duration.add(one->duration);
      all.under_way += one->under_way.value();
      all.queued += one->queued.value();
    }
  }
  for (const auto& [source, all] : sums) {
    for (std::size_t at = 0; at < all.results.size(); ++at) {
      page.add(MetricId::kSourceResults, {source, kSourceResultNames[at]}, all.results[at]);
    }
    for (std::size_t at = 0; at < all.cache.size(); ++at) {
      page.add(MetricId::kSourceCacheResults, {source, kCacheResultNames[at]}, all.cache[at]);
    }
    page.add(MetricId::kSourceDuration, {source}, all.duration);
    page.add(MetricId::kSourceUnderWay, {source}, all.under_way);
    page.add(MetricId::kSourceQueued, {source}, all.queued);
  }
}

void add_source_figures(Page& page, const std::vector<SourceFigures>& sources) {
  for (const SourceFigures& one : sources) {
    page.add(MetricId::kSourceBreakerOpen, {one.source}, one.breaker_open ? 1 : 0);
    page.add(MetricId::kSourceBreakerOpenings, {one.source}, one.breaker_openings);
    page.add(MetricId::kSourceCacheEntries, {one.source}, one.cache_entries);
    for (const PoolLogins& pool : one.pools) {
      for (std::size_t at = 0; at < pool.by.size(); ++at) {
        page.add(MetricId::kSourcePoolLogins, {one.source, pool.pool, kPoolFoundNames[at]},
                 pool.by[at]);
      }
    }
    if (!one.pools.empty()) {
      page.add(MetricId::kSourcePoolsRemembered, {one.source}, one.pools_remembered);
    }
  }
}

void add_lookup_servers(Page& page, const std::vector<LookupServerFigures>& servers) {
  for (const LookupServerFigures& one : servers) {
    for (std::size_t at = 0; at < kLookupResultNames.size(); ++at) {
      page.add(MetricId::kLookupRequests, {one.source, one.server, kLookupResultNames[at]},
               one.requests[at]);
    }
    HistogramSum durations(kLoginBounds);
    durations.add(one);
    page.add(MetricId::kLookupDuration, {one.source, one.server}, durations);
    page.add(MetricId::kLookupHedges, {one.source, one.server}, one.hedges);
    page.add(MetricId::kLookupUp, {one.source, one.server}, one.up ? 1 : 0);
  }
}

double unix_time(std::chrono::system_clock::time_point time) {
  return std::chrono::duration<double>(time.time_since_epoch()).count();
}

void add_srv(Page& page, const std::vector<SrvFigures>& pools) {
  for (const SrvFigures& one : pools) {
    page.add(MetricId::kSrvLookups, {one.pool, "taken"}, one.answers);
    page.add(MetricId::kSrvLookups, {one.pool, "failed"}, one.failures);
    page.add(MetricId::kSrvBackends, {one.pool}, one.backends);
    page.add(MetricId::kSrvLeftOut, {one.pool}, one.left_out);
    page.add(MetricId::kSrvAnswered, {one.pool}, unix_time(one.answered));
  }
}

void add_config(Page& page, const ConfigInfo& config) {
  page.add(MetricId::kConfigInfo, {config.file, config.hash}, 1);
  page.add(MetricId::kConfigLoaded, {}, unix_time(config.loaded));
  page.add(MetricId::kConfigReloads, {"applied"}, config.reloads.applied);
  page.add(MetricId::kConfigReloads, {"refused"}, config.reloads.refused);
  page.add(MetricId::kConfigReloadOk, {}, config.reloads.last_ok ? 1 : 0);
  page.add(MetricId::kConfigReloadTime, {},
           config.reloads.last_applied ? unix_time(*config.reloads.last_applied) : 0.0);
}

void add_admin(Page& page, const AdminMetrics& admin) {
  for (std::size_t at = 0; at < kAdminCodeNames.size(); ++at) {
    page.add(MetricId::kAdminRequests, {kAdminCodeNames[at]}, admin.requests[at].value());
  }
  page.add(MetricId::kAdminConnections, {}, admin.connections.value());
  for (std::size_t at = 0; at < kAdminCutNames.size(); ++at) {
    page.add(MetricId::kAdminCuts, {kAdminCutNames[at]}, admin.cut[at].value());
  }
}

void add_process(Page& page) {
  const ProcessFigures figures = read_process_figures();
  page.add(MetricId::kProcessCpu, {}, figures.cpu_seconds);
  page.add(MetricId::kProcessResident, {}, figures.resident_bytes);
  page.add(MetricId::kProcessOpenFds, {}, figures.open_fds);
  page.add(MetricId::kProcessMaxFds, {}, figures.max_fds);
  page.add(MetricId::kProcessStart, {}, figures.start_time);
}

}  // namespace

std::vector<MetricFamily> Collector::Collect() const {
  Page page;
  gather(page);
  std::vector<MetricFamily> families = page.finish();
  std::erase_if(families, [](const MetricFamily& family) { return family.metric.empty(); });
  return families;
}

std::string Collector::text() {
  const std::lock_guard lock(mutex_);
  page_.start();
  gather(page_);
  std::string text = to_text(page_.finish(), expected_);
  expected_ = text.size() + kRoomToGrow;
  return text;
}

void Collector::gather(Page& page) const {
  const auto begun = std::chrono::steady_clock::now();
  add_listeners(page, sources_.workers);
  add_handshakes(page, sources_.workers);
  add_logins(page, sources_.workers);
  add_guesses(page, sources_.workers);
  add_certificates(page, sources_.workers);
  if (sources_.guesses) {
    for (const GuessFigures& one : sources_.guesses()) {
      page.add(MetricId::kGuessEntries, {one.table}, one.entries);
    }
  }
  add_held_logins(page, sources_.workers);
  if (sources_.pool_memory) {
    const PoolMemoryFigures figures = sources_.pool_memory();
    page.add(MetricId::kPoolMemoryWrites, {"yes"}, figures.written);
    page.add(MetricId::kPoolMemoryWrites, {"no"}, figures.failed);
  }
  if (sources_.moves) {
    add_moves(page, sources_.moves());
  }
  add_sessions(page, sources_.workers);
  add_workers(page, sources_.workers);
  if (sources_.backends) {
    add_backends(page, sources_.backends());
  }
  if (sources_.health) {
    add_health(page, sources_.health());
  }
  if (sources_.srv) {
    add_srv(page, sources_.srv());
  }
  if (sources_.users) {
    add_users(page, sources_.users());
  }
  if (sources_.limits) {
    add_limits(page, sources_.limits());
  }
  add_user_sources(page, sources_.workers);
  if (sources_.user_sources) {
    add_source_figures(page, sources_.user_sources());
  }
  if (sources_.lookup_servers) {
    add_lookup_servers(page, sources_.lookup_servers());
  }
  page.add(
      MetricId::kBuildInfo,
      {sources_.build.version, sources_.build.openssl, sources_.build.libuv, HEADGATE_COMPILER}, 1);
  if (sources_.config) {
    add_config(page, sources_.config());
  }
  if (sources_.certificates) {
    for (const CertificateFigures& one : sources_.certificates()) {
      page.add(MetricId::kCertificateExpiry, {one.file}, unix_time(one.not_after));
    }
  }
  if (sources_.admin) {
    add_admin(page, *sources_.admin);
  }
  add_process(page);
  page.add(MetricId::kScrapeDuration, {},
           std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count());
}

}  // namespace headgate::metrics
