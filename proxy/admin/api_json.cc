#include "admin/api_json.h"

#include <nlohmann/json.hpp>

#include "admin/api_input.h"
#include "base/log.h"

namespace headgate::admin {

using nlohmann::json;

json to_json(const PoolView& view) {
  json out = {{"name", view.name},
              {"policy", view.policy},
              {"backends", view.backends},
              {"up", view.up},
              {"down", view.down},
              {"drained", view.drained},
              {"sessions", view.sessions},
              {"max_sessions", view.max_sessions},
              {"waiting", view.waiting},
              {"held", view.held},
              {"load_spread", nullptr},
              {"weight_away", view.weight_away},
              {"srv", nullptr}};
  if (view.load_spread) {
    out["load_spread"] = *view.load_spread;
  }
  if (view.srv) {
    out["srv"] = {{"name", view.srv->name},
                  {"answered", view.srv->answered},
                  {"failure", view.srv->failure},
                  {"left_out", view.srv->left_out}};
  }
  return out;
}

json to_json(const StatusView& view) {
  json sessions = json::object();
  for (const PhaseCount& one : view.sessions) {
    sessions[std::string(one.phase)] = one.sessions;
  }
  json pools = json::array();
  for (const PoolView& pool : view.pools) {
    pools.push_back(to_json(pool));
  }
  return {
      {"version", view.version},
      {"started", view.started},
      {"uptime_s", view.uptime_s},
      {"workers", view.workers},
      {"ready", view.ready},
      {"not_ready", view.not_ready},
      {"config",
       {{"file", view.config_file}, {"hash", view.config_hash}, {"loaded", view.config_loaded}}},
      {"state_is_kept", view.state_is_kept},
      {"users", view.users},
      {"sessions", std::move(sessions)},
      {"pools", std::move(pools)}};
}

json to_json(const BackendView& view) {
  json out = {{"pool", view.pool},         {"backend", view.backend},
              {"service", view.service},   {"up", view.up},
              {"weight", view.weight},     {"configured_weight", view.configured_weight},
              {"sessions", view.sessions}, {"max_sessions", view.max_sessions},
              {"failures", view.failures}, {"failures_in_a_row", view.failures_in_a_row},
              {"backup", view.backup},     {"addresses", view.addresses},
              {"order", nullptr}};
  if (view.order) {
    out["order"] = {{"by", view.order->by},
                    {"since", view.order->since},
                    {"rate", view.order->rate},
                    {"left_s", nullptr}};
    if (view.order->left_s) {
      out["order"]["left_s"] = *view.order->left_s;
    }
  }
  return out;
}

json to_json(const SessionView& view) {
  return {{"session", id_text(view.id)},
          {"user", view.user},
          {"client", view.client},
          {"listener", view.listener},
          {"pool", view.pool},
          {"backend", view.backend},
          {"phase", view.phase},
          {"state", view.state},
          {"tls", view.tls},
          {"age_s", view.age_s},
          {"idle_s", view.idle_s},
          {"bytes_to_backend", view.bytes_to_backend},
          {"bytes_to_client", view.bytes_to_client}};
}

json to_json(const SessionPage& page) {
  json sessions = json::array();
  for (const SessionView& session : page.sessions) {
    sessions.push_back(to_json(session));
  }
  json out = {{"sessions", std::move(sessions)}, {"next", nullptr}};
  if (page.more) {
    out["next"] = id_text(page.sessions.back().id);
  }
  return out;
}

json to_json(const PinView& view) {
  return {{"pool", view.pool},
          {"user", view.user},
          {"backend", view.backend},
          {"since", view.since},
          {"by", view.by}};
}

json to_json(const ExplanationView& view) {
  return {{"user", view.user},
          {"backend_user", view.backend_user},
          {"source", view.source},
          {"pool", view.pool},
          {"pool_reason", view.pool_reason},
          {"backend", view.candidates.front()},
          {"backend_reason", view.backend_reason},
          {"candidates", view.candidates},
          {"health_checks", view.health},
          {"sessions", view.sessions}};
}

Response json_response(const json& value) {
  return {.status = 200,
          .content_type = "application/json",
          .body = value.dump(-1, ' ', false, json::error_handler_t::replace) + "\n",
          .headers = {}};
}

void log_refused(std::string_view action, std::string_view what, const Problem& problem,
                 const Caller& caller) {
  log::info("operator", {{"action", action},
                         {"token", caller.token},
                         {"client", caller.address},
                         {"concerns", what},
                         {"result", problem.what}});
}

}  // namespace headgate::admin
