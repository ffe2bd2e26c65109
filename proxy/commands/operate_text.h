#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

// What the API answers, as lines for people.
namespace headgate::commands {

std::string status_text(const nlohmann::json& status);  // with `backends` in it
std::string pools_text(const nlohmann::json& pools);
std::string sessions_text(const nlohmann::json& page);
std::string kicked_text(const nlohmann::json& kicked);
std::string pins_text(const nlohmann::json& pins);
std::string pinned_text(const nlohmann::json& pinned);
std::string unpinned_text(const nlohmann::json& unpinned);
std::string reloaded_text(const nlohmann::json& reloaded);
std::string changed_text(const nlohmann::json& changed);

}  // namespace headgate::commands
