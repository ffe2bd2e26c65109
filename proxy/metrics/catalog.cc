#include "metrics/catalog.h"

#include <fmt/format.h>

#include <iterator>
#include <span>
#include <vector>

#include "dialogue/backend_check.h"
#include "dialogue/close_reason.h"
#include "dialogue/failure.h"
#include "dialogue/limit.h"
#include "metrics/admin_metrics.h"
#include "metrics/health_figures.h"
#include "metrics/instruments.h"
#include "metrics/labels.h"
#include "metrics/move_figures.h"

namespace headgate::metrics {
namespace {

using Values = std::vector<std::string_view>;

Values values_of(std::span<const std::string_view> names) {
  return {names.begin(), names.end()};
}

Values login_results() {
  Values values = {"ok"};
  for (const dialogue::FailureInfo& failure : dialogue::all_failures()) {
    values.push_back(failure.name);
  }
  return values;
}

Values close_reasons() {
  Values values;
  for (const dialogue::CloseInfo& reason : dialogue::all_close_reasons()) {
    values.push_back(reason.name);
  }
  return values;
}

Values limits() {
  Values values;
  for (const dialogue::Limit limit : dialogue::all_limits()) {
    values.push_back(dialogue::name(limit));
  }
  return values;
}

// One label of one metric, or of all metrics that have it (`metric` empty).
struct LabelInfo {
  std::string_view metric;
  std::string_view label;
  std::string_view meaning;
  Values values;  // empty: open
};

std::vector<LabelInfo> label_infos() {
  return {
      {"", "listener", "name of the listener in the configuration", {}},
      {"", "pool", "name of the pool in the configuration", {}},
      {"", "backend", "host and port of the backend as configured", {}},
      {"", "worker", "number of the worker, from 0", {}},
      {"", "side", "whose connection", values_of(kSideNames)},
      {"", "records", "who seals and opens the records", values_of(kRecordsByNames)},
      {"headgate_tls_handshakes_total", "version", "protocol version agreed on",
       values_of(kTlsVersionNames)},
      {"headgate_tls_handshakes_total", "result", "how the handshake ended", {"ok", "failed"}},
      {"", "resumed", "whether an earlier TLS session was taken up", {"yes", "no"}},
      {"headgate_logins_total", "result", "ok, or why the login failed", login_results()},
      {"", "source", "name of the user source in the configuration", {}},
      {"headgate_ready_connections_total", "result", "used, or why not",
       values_of(kReadyConnectionNames)},
      {"headgate_source_results_total", "result", "how the question ended",
       values_of(kSourceResultNames)},
      {"headgate_source_cache_results_total", "result", "what the cache knew",
       values_of(kCacheResultNames)},
      {"", "server", "URL, address or path of the lookup server, without query", {}},
      {"headgate_lookup_requests_total", "result", "how the request ended",
       values_of(kLookupResultNames)},
      {"", "factor", "what it was", values_of(kFactorNames)},
      {"", "shown", "what it was", values_of(kClientCertificateNames)},
      {"", "written", "whether it succeeded", {"yes", "no"}},
      {"", "wish", "what became of it (allow_any_cert)", values_of(kAnyCertificateNames)},
      {"", "found", "why this pool was asked", values_of(kPoolFoundNames)},
      {"", "by", "failures of what", values_of(kGuessLimitNames)},
      {"", "repeated", "whether it had been counted before", {"no", "yes"}},
      {"",
       "table",
       "what is kept; known: users at addresses where they have logged in",
       {"address", "network", "user", "pair", "known", "password"}},
      {"headgate_login_duration_seconds", "stage", "part of the login", values_of(kStageNames)},
      {"headgate_backend_check_seconds", "stage", "part of the check",
       values_of(dialogue::kCheckStageNames)},
      {"headgate_backend_checks_total", "result", "how the check ended", {"passed", "failed"}},
      {"headgate_srv_lookups_total", "result", "whether the answer was taken", {"taken", "failed"}},
      {"headgate_backend_state", "state", "what is known of the backend",
       values_of(kBackendStateNames)},
      {"", "awaited", "its turn at a backend, or its user's move", values_of(kWaitedForNames)},
      {"headgate_moving_users", "state", "how far it has come", values_of(kMoveStateNames)},
      {"headgate_moved_users_total", "result", "how it ended", values_of(kMoveResultNames)},
      {"headgate_move_hooks_total", "result", "how it ended", values_of(kMoveHookResultNames)},
      {"", "phase", "what the session is doing", values_of(kPhaseNames)},
      {"", "direction", "where the bytes went", values_of(kDirectionNames)},
      {"", "reason", "why the session ended", close_reasons()},
      {"headgate_farewells_total", "result", "said, or why not", values_of(kFarewellNames)},
      {"", "limit", "which limit", limits()},
      {"",
       "scope",
       "what has the sessions",
       {"user", "network", "user_network", "listener", "pool", "backend"}},
      {"", "of", "name of the listener, of the pool, or pool/backend; empty for the others", {}},
      {"", "error", "what accept said", values_of(kAcceptErrorNames)},
      {"headgate_build_info", "version", "version of Headgate", {}},
      {"", "openssl", "version of the OpenSSL library that runs", {}},
      {"", "libuv", "version of the libuv library that runs", {}},
      {"", "compiler", "what it was built with", {}},
      {"", "file", "configuration file", {}},
      {"", "hash", "hash of the configuration file's bytes", {}},
      {"", "certificate", "the certificate's file", {}},
      {"", "code", "HTTP status", values_of(kAdminCodeNames)},
      {"", "cut", "its address had 32 already, or it took too long", values_of(kAdminCutNames)},
      {"headgate_config_reloads_total",
       "result",
       "whether it was put in force",
       {"applied", "refused"}},
  };
}

std::string joined(std::span<const std::string_view> words) {
  return words.empty() ? "any" : fmt::format("`{}`", fmt::join(words, "`, `"));
}

std::string label_cell(std::string_view labels) {
  if (labels.empty()) {
    return "";
  }
  std::string cell = "`";
  for (const char byte : labels) {
    cell += byte == ',' ? std::string("`, `") : std::string(1, byte);
  }
  return cell + "`";
}

std::string bounds_line(const Bounds& bounds) {
  std::vector<double> seconds;
  for (const Microseconds bound : bounds) {
    seconds.push_back(std::chrono::duration<double>(bound).count());
  }
  return fmt::format("{}", fmt::join(seconds, ", "));
}

}  // namespace

std::string_view name(Type type) {
  switch (type) {
    case Type::kCounter:
      return "counter";
    case Type::kGauge:
      return "gauge";
    case Type::kHistogram:
      return "histogram";
  }
  return "untyped";
}

std::string documentation() {
  std::string text =
      "# Metrics\n\n"
      "<!-- Written by `headgate docs metrics` from proxy/metrics/catalog.h; do not edit. -->\n\n"
      "Headgate serves these at `/metrics` of the admin address, in the Prometheus text format.\n"
      "Counters start at zero with the process and survive a reload; series of a fixed set of\n"
      "label values exist from the start. User names never stand in a label.\n\n"
      "| metric | type | labels | meaning |\n| --- | --- | --- | --- |\n";
  auto out = std::back_inserter(text);
  for (const Metric& metric : kCatalog) {
    fmt::format_to(out, "| `{}` | {} | {} | {} |\n", metric.name, name(metric.type),
                   label_cell(metric.labels), metric.help);
  }
  text += "\n## Labels\n\n| label | of | meaning | values |\n| --- | --- | --- | --- |\n";
  for (const LabelInfo& label : label_infos()) {
    fmt::format_to(out, "| `{}` | {} | {} | {} |\n", label.label,
                   label.metric.empty() ? "all" : fmt::format("`{}`", label.metric), label.meaning,
                   joined(label.values));
  }
  fmt::format_to(out,
                 "\n## Buckets\n\nUpper bounds in seconds; each histogram ends with `+Inf`.\n\n"
                 "- `{}`, `{}`, `{}`, `{}`, `{}`, `{}`: {}\n- `{}`: {}\n- `{}`: {}\n",
                 info(MetricId::kLoginDuration).name, info(MetricId::kSourceDuration).name,
                 info(MetricId::kLookupDuration).name, info(MetricId::kGuessDelay).name,
                 info(MetricId::kAdmissionWait).name, info(MetricId::kHoldWait).name,
                 bounds_line(kLoginBounds), info(MetricId::kSessionDuration).name,
                 bounds_line(kSessionBounds), info(MetricId::kLoopLag).name,
                 bounds_line(kLagBounds));
  return text;
}

}  // namespace headgate::metrics
