#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string_view>

#include "admin/access.h"
#include "admin/control.h"
#include "admin/server.h"

// The answers of the API; docs/openapi.yaml describes them.
namespace headgate::admin {

nlohmann::json to_json(const StatusView& view);
nlohmann::json to_json(const PoolView& view);
nlohmann::json to_json(const BackendView& view);
nlohmann::json to_json(const SessionView& view);
nlohmann::json to_json(const SessionPage& page);
nlohmann::json to_json(const PinView& view);
nlohmann::json to_json(const ExplanationView& view);

// The line in the log of an operator's change that was not made, or not to its end.
void log_refused(std::string_view action, std::string_view what, const Problem& problem,
                 const Caller& caller);

// Bytes that are no UTF-8 become U+FFFD.
Response json_response(const nlohmann::json& value);

}  // namespace headgate::admin
