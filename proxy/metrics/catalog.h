#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace headgate::metrics {

// Every metric of Headgate, declared here and nowhere else: the collector exposes exactly these and
// documentation() prints them. X(id, name, type, labels, help); labels are separated by commas.
// What the labels' values may be stands in catalog.cc. User names are never labels.
#define HEADGATE_METRICS(X)                                                                       \
  X(kConnections, "headgate_connections_total", kCounter, "listener",                             \
    "Client connections accepted.")                                                               \
  X(kAcceptErrors, "headgate_accept_errors_total", kCounter, "listener,error",                    \
    "Calls of accept that failed, by error number; EMFILE and ENFILE mean that the process or "   \
    "the machine is out of file descriptors.")                                                    \
  X(kTlsHandshakes, "headgate_tls_handshakes_total", kCounter, "side,version,result,resumed",     \
    "TLS handshakes that ended, with clients and with backends.")                                 \
  X(kLogins, "headgate_logins_total", kCounter, "result",                                         \
    "Login attempts that were answered: ok, or why not.")                                         \
  X(kLoginDuration, "headgate_login_duration_seconds", kHistogram, "stage",                       \
    "Time of successful logins by stage; total runs from the client's credentials to the answer " \
    "and includes lookup, connect and backend_login.")                                            \
  X(kLookupRequests, "headgate_lookup_requests_total", kCounter, "source,server,result",          \
    "Requests to the lookup servers of user sources, by how they ended.")                         \
  X(kLookupDuration, "headgate_lookup_request_duration_seconds", kHistogram, "source,server",     \
    "Time of requests to lookup servers that were answered.")                                     \
  X(kLookupHedges, "headgate_lookup_hedges_total", kCounter, "source,server",                     \
    "Requests that went to the server because another one had not answered for hedge_after.")     \
  X(kLookupUp, "headgate_lookup_server_up", kGauge, "source,server",                              \
    "1: the server is asked in its turn; 0: it failed and gets probes.")                          \
  X(kGuessesRefused, "headgate_guesses_refused_total", kCounter, "by",                            \
    "Logins that were refused without a look at the password, since too many had failed.")        \
  X(kGuessFailures, "headgate_guess_failures_total", kCounter, "repeated",                        \
    "Wrong passwords by whether this user has had this very one before, which counts once.")      \
  X(kGuessDelay, "headgate_guess_delay_seconds", kHistogram, "",                                  \
    "Waits before the look at a password, since many had failed.")                                \
  X(kGuessEntries, "headgate_guess_entries", kGauge, "table",                                     \
    "Addresses, users and so on that the guard against guessing keeps.")                          \
  X(kLoginFactors, "headgate_login_factors_total", kCounter, "factor",                            \
    "Logins that something else than the user's own password alone decided.")                     \
  X(kClientCertificates, "headgate_client_certificates_total", kCounter, "shown",                 \
    "TLS handshakes of clients that were asked for a certificate, by what they have shown.")      \
  X(kAnyCertificates, "headgate_any_certificate_total", kCounter, "wish",                         \
    "Attempts at backends whose certificate the user source wished not to be verified.")          \
  X(kBadCommands, "headgate_bad_commands_total", kCounter, "",                                    \
    "Commands before login that were answered BAD.")                                              \
  X(kLimitHits, "headgate_limit_hits_total", kCounter, "limit",                                   \
    "Times a limit on what a client may do before login was hit.")                                \
  X(kSessions, "headgate_sessions", kGauge, "listener,phase",                                     \
    "Sessions open now, by what they are doing.")                                                 \
  X(kSessionEnds, "headgate_session_ends_total", kCounter, "reason",                              \
    "Sessions that ended, each counted once, by reason.")                                         \
  X(kFarewells, "headgate_farewells_total", kCounter, "result",                                   \
    "Sessions that were logged in and that Headgate ended, by whether it could say BYE.")         \
  X(kSessionDuration, "headgate_session_duration_seconds", kHistogram, "",                        \
    "Time from accept to close of sessions that ended.")                                          \
  X(kRelayedBytes, "headgate_relayed_bytes_total", kCounter, "direction",                         \
    "Bytes moved after login, without TLS; counted while sessions run.")                          \
  X(kBackendSessions, "headgate_backend_sessions", kGauge, "pool,backend",                        \
    "Sessions that are logged in or logging in at the backend.")                                  \
  X(kBackendUp, "headgate_backend_up", kGauge, "pool,backend",                                    \
    "1: the backend is tried in its turn; 0: it failed and is tried last.")                       \
  X(kBackendWeight, "headgate_backend_weight", kGauge, "pool,backend",                            \
    "Weight of the backend; its share of the users is weight by sum of the pool's weights.")      \
  X(kBackendDraining, "headgate_backend_draining", kGauge, "pool,backend",                        \
    "1: the backend gets no new users.")                                                          \
  X(kBackendDisabled, "headgate_backend_disabled", kGauge, "pool,backend",                        \
    "1: an operator has disabled the backend: no logins go there, and its sessions are ended.")   \
  X(kBackendFailures, "headgate_backend_failures_total", kCounter, "pool,backend",                \
    "Connects and logins that failed by the backend's fault.")                                    \
  X(kAdmissionLimit, "headgate_admission_limit", kGauge, "pool,backend",                          \
    "Logins that the backend gets at once, by how long they take; for pools with admission.")     \
  X(kAdmissionUnderWay, "headgate_admission_under_way", kGauge, "pool,backend",                   \
    "Logins under way at the backend.")                                                           \
  X(kAdmissionWaiting, "headgate_admission_waiting", kGauge, "pool,backend",                      \
    "Logins that wait for their turn at the backend.")                                            \
  X(kAdmissionRefused, "headgate_admission_refused_total", kCounter, "pool,backend",              \
    "Logins that were refused because too many waited, or because they had waited too long.")     \
  X(kAdmissionWait, "headgate_admission_wait_seconds", kHistogram, "",                            \
    "Time that logins waited for their turn at a backend; those that did not wait do not count.") \
  X(kHeldLogins, "headgate_held_logins", kGauge, "",                                              \
    "Logins that wait until their users have moved.")                                             \
  X(kHoldWait, "headgate_hold_wait_seconds", kHistogram, "",                                      \
    "Time that logins waited until their users had moved.")                                       \
  X(kLoginsAbandoned, "headgate_logins_abandoned_total", kCounter, "awaited",                     \
    "Logins that waited and whose clients closed their connections meanwhile.")                   \
  X(kMovingUsers, "headgate_moving_users", kGauge, "state",                                       \
    "Users who are being moved to another backend, or back.")                                     \
  X(kMovedUsers, "headgate_moved_users_total", kCounter, "result",                                \
    "Users whose move has ended, and how.")                                                       \
  X(kMoveHooks, "headgate_move_hooks_total", kCounter, "result",                                  \
    "Hooks for users who are moved that have ended, and how.")                                    \
  X(kMoveHookSeconds, "headgate_move_hook_seconds_total", kCounter, "",                           \
    "Time that these hooks took, all together.")                                                  \
  X(kReadyConnections, "headgate_ready_connections", kGauge, "worker",                            \
    "Connections to backends that wait for a user behind the greeting.")                          \
  X(kReadyConnectionsTotal, "headgate_ready_connections_total", kCounter, "result",               \
    "What became of such connections, and logins that found none.")                               \
  X(kBackendState, "headgate_backend_state", kGauge, "pool,backend,state",                        \
    "1 for the state that the backend is in, 0 for the others; for pools with health checks.")    \
  X(kBackendStateSince, "headgate_backend_state_since_timestamp_seconds", kGauge, "pool,backend", \
    "When the backend got into its state, as Unix time.")                                         \
  X(kBackendWeightRatio, "headgate_backend_weight_ratio", kGauge, "pool,backend",                 \
    "Part of the backend's weight that counts: below 1 while it starts slowly or is slow.")       \
  X(kBackendLoginP95, "headgate_backend_login_p95_seconds", kGauge, "pool,backend",               \
    "95th percentile of the time that logins at the backend took, connect included, over the "    \
    "window of health.slow; 0 without logins.")                                                   \
  X(kBackendChecks, "headgate_backend_checks_total", kCounter, "pool,backend,result",             \
    "Health checks that ended.")                                                                  \
  X(kBackendCheckDuration, "headgate_backend_check_seconds", kGauge, "pool,backend,stage",        \
    "Time of the last health check that passed, by stage; 0: a stage that it did not have.")      \
  X(kSrvLookups, "headgate_srv_lookups_total", kCounter, "pool,result",                           \
    "Questions for the SRV records that name the pool's backends, by whether the answer was "     \
    "taken; what was known stays where it was not.")                                              \
  X(kSrvBackends, "headgate_srv_backends", kGauge, "pool",                                        \
    "Backends by the last answer that was taken.")                                                \
  X(kSrvLeftOut, "headgate_srv_targets_left_out", kGauge, "pool",                                 \
    "Targets of that answer that cannot be backends.")                                            \
  X(kSrvAnswered, "headgate_srv_answer_timestamp_seconds", kGauge, "pool",                        \
    "When that answer came, as Unix time; 0: none has come.")                                     \
  X(kUsers, "headgate_users", kGauge, "", "Users with sessions, logged in or logging in.")        \
  X(kUsersAway, "headgate_users_away", kGauge, "",                                                \
    "Users with sessions at another backend than before a failure.")                              \
  X(kSessionsLeftBehind, "headgate_sessions_left_behind", kGauge, "",                             \
    "Sessions at a backend that their user has left, about to be ended.")                         \
  X(kUserTableBytes, "headgate_user_table_bytes", kGauge, "",                                     \
    "Memory of the table of users with sessions.")                                                \
  X(kUserTableOverflows, "headgate_user_table_overflows_total", kCounter, "",                     \
    "Sessions of users that the table had no room for: they went by policy alone.")               \
  X(kSessionLimit, "headgate_session_limit", kGauge, "scope,of",                                  \
    "Sessions that are allowed, for each limit that is configured.")                              \
  X(kSessionLimitMost, "headgate_session_limit_most", kGauge, "scope,of",                         \
    "Sessions of the user, network, listener, pool or backend that has most of them.")            \
  X(kSessionLimitNear, "headgate_session_limit_near", kGauge, "scope,of",                         \
    "How many of them have four fifths of the limit or more.")                                    \
  X(kSourceResults, "headgate_source_results_total", kCounter, "source,result",                   \
    "Questions to a user source by their end; questions that its cache answered do not count.")   \
  X(kSourceDuration, "headgate_source_duration_seconds", kHistogram, "source",                    \
    "Time from the question to the source's answer or its deadline, waiting in the queue "        \
    "included.")                                                                                  \
  X(kSourceUnderWay, "headgate_source_under_way", kGauge, "source",                               \
    "Questions that the source is working on.")                                                   \
  X(kSourceQueued, "headgate_source_queued", kGauge, "source",                                    \
    "Questions that wait because max_parallel others are under way.")                             \
  X(kSourceBreakerOpen, "headgate_source_breaker_open", kGauge, "source",                         \
    "1: the source failed too often in a row and is not asked, but for a probe now and then.")    \
  X(kSourceBreakerOpenings, "headgate_source_breaker_openings_total", kCounter, "source",         \
    "Times the source's breaker opened after it had been closed.")                                \
  X(kSourceCacheResults, "headgate_source_cache_results_total", kCounter, "source,result",        \
    "Questions to a user source by what its cache knew.")                                         \
  X(kSourceCacheEntries, "headgate_source_cache_entries", kGauge, "source",                       \
    "Answers in the source's cache, positive and negative.")                                      \
  X(kSourcePoolLogins, "headgate_source_pool_logins_total", kCounter, "source,pool,found",        \
    "Logins that a pool of source backend has let in, where several are asked: memory: it had "   \
    "let the user in of late; order: it is the first; trial: another one had refused the user.")  \
  X(kPoolMemoryWrites, "headgate_pool_memory_writes_total", kCounter, "written",                  \
    "Writes of the file that keeps which users live in which pool over a restart.")               \
  X(kSourcePoolsRemembered, "headgate_source_pools_remembered", kGauge, "source",                 \
    "Users of whom it is remembered that another pool than the first one let them in.")           \
  X(kTlsRelayedTotal, "headgate_tls_relayed_total", kCounter, "side,records",                     \
    "TLS connections of sessions that were established, by who has sealed and opened their "      \
    "records since: see relay.own_tls_records.")                                                  \
  X(kBuffersInUse, "headgate_buffers_in_use", kGauge, "worker",                                   \
    "Relay buffers that hold bytes in flight.")                                                   \
  X(kBulkSessions, "headgate_bulk_sessions", kGauge, "worker",                                    \
    "Sessions that move much at a time, so that they wait for those that do not.")                \
  X(kLostSessions, "headgate_lost_sessions", kGauge, "worker",                                    \
    "Sessions whose backend broke under them, and whose turn to end has not come yet.")           \
  X(kLoopLag, "headgate_loop_lag_seconds", kHistogram, "worker",                                  \
    "Time that one turn of a worker's loop took, so that everything else on that worker waited.") \
  X(kBuildInfo, "headgate_build_info", kGauge, "version,openssl,libuv,compiler",                  \
    "Always 1; the labels say what is running.")                                                  \
  X(kConfigInfo, "headgate_config_info", kGauge, "file,hash",                                     \
    "Always 1; the labels say which configuration is in force.")                                  \
  X(kConfigLoaded, "headgate_config_load_timestamp_seconds", kGauge, "",                          \
    "When the configuration in force was loaded, as Unix time.")                                  \
  X(kConfigReloads, "headgate_config_reloads_total", kCounter, "result",                          \
    "Reloads of the configuration: put in force, or refused because of an error.")                \
  X(kConfigReloadOk, "headgate_config_last_reload_successful", kGauge, "",                        \
    "1: the last reload was applied, or there was none; 0: it was refused, and what is in force " \
    "is older than the file.")                                                                    \
  X(kConfigReloadTime, "headgate_config_last_reload_success_timestamp_seconds", kGauge, "",       \
    "When a reload was last applied, as Unix time; 0: never.")                                    \
  X(kAdminRequests, "headgate_admin_requests_total", kCounter, "code",                            \
    "Requests to the admin interface by the status of their answer; what the HTTP library "       \
    "refuses as no HTTP is not counted.")                                                         \
  X(kAdminConnections, "headgate_admin_connections", kGauge, "",                                  \
    "Connections to the admin interface open now; there are 128 at most.")                        \
  X(kAdminCuts, "headgate_admin_connections_cut_total", kCounter, "cut",                          \
    "Connections to the admin interface that were refused or cut off; no request is counted "     \
    "where it was not whole.")                                                                    \
  X(kCertificateExpiry, "headgate_certificate_expiry_timestamp_seconds", kGauge, "certificate",   \
    "When a certificate that clients are shown ends, as Unix time.")                              \
  X(kProcessCpu, "headgate_process_cpu_seconds_total", kCounter, "",                              \
    "Processor time used, user and system.")                                                      \
  X(kProcessResident, "headgate_process_resident_memory_bytes", kGauge, "", "Resident memory.")   \
  X(kProcessOpenFds, "headgate_process_open_fds", kGauge, "", "Open file descriptors.")           \
  X(kProcessMaxFds, "headgate_process_max_fds", kGauge, "",                                       \
    "Limit of open file descriptors (RLIMIT_NOFILE).")                                            \
  X(kProcessStart, "headgate_process_start_time_seconds", kGauge, "",                             \
    "When the process started, as Unix time.")                                                    \
  X(kScrapeDuration, "headgate_metrics_scrape_duration_seconds", kGauge, "",                      \
    "Time that gathering this page took.")

enum class Type : std::uint8_t { kCounter, kGauge, kHistogram };

enum class MetricId : std::uint8_t {
#define HEADGATE_METRIC_ID(id, name, type, labels, help) id,
  HEADGATE_METRICS(HEADGATE_METRIC_ID)
#undef HEADGATE_METRIC_ID
};

struct Metric {
  MetricId id;
  std::string_view name;
  Type type;
  std::string_view labels;  // "listener,phase"; empty: none
  std::string_view help;
};

inline constexpr auto kCatalog = std::to_array<Metric>({
#define HEADGATE_METRIC(id, name, type, labels, help) \
  {MetricId::id, name, Type::type, labels, help},
    HEADGATE_METRICS(HEADGATE_METRIC)
#undef HEADGATE_METRIC
});

constexpr const Metric& info(MetricId id) {
  return kCatalog[static_cast<std::size_t>(id)];
}
std::string_view name(Type type);  // "counter"

// docs/metrics.md: all metrics and all values of their labels, as Markdown.
std::string documentation();

}  // namespace headgate::metrics
