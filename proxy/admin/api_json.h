#pragma once

#include <nlohmann/json_fwd.hpp>

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

// Bytes that are no UTF-8 become U+FFFD.
Response json_response(const nlohmann::json& value);

}  // namespace headgate::admin
