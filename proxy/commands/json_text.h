#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>

// Parts of the API's answers, as words for people. Another version may leave members out.
namespace headgate::commands {

std::string text_of(const nlohmann::json& object, const char* key);     // empty: not there
std::int64_t number_of(const nlohmann::json& object, const char* key);  // 0: not there
const nlohmann::json& list_in(const nlohmann::json& object, const char* key);

// "3d 4h", "4h 12m", "12m 5s", "5s"
std::string span_text(std::int64_t seconds);
// What to know of a change, as a line; empty: nothing.
std::string note(const nlohmann::json& answer);

}  // namespace headgate::commands
