#pragma once

#include <expected>
#include <optional>
#include <string>
#include <string_view>

#include "admin/control.h"
#include "admin/request_parts.h"
#include "base/address.h"

// What callers of the API send, made into what the server understands. Every error is a line that
// says what was expected.
namespace headgate::admin {

inline constexpr std::size_t kLargestPage = 1000;

// Unknown parameters are errors: a misspelt filter must not list, or end, all sessions.
std::expected<SessionQuery, std::string> read_session_query(const Parameters& parameters);
// Likewise; `cursor` is "POOL/USER".
std::expected<PinQuery, std::string> read_pin_query(const Parameters& parameters);

// Whom to explain; `client` is 0.0.0.0 where it is not given.
struct ExplainQuery {
  std::string user;
  IpAddress client;
};
std::expected<ExplainQuery, std::string> read_explain(const Parameters& parameters);

// The filter of a kick, as a JSON object. An empty one is an error.
std::expected<SessionFilter, std::string> read_kick(std::string_view body);

// The body of a change of a backend; `what` says which one. An empty body is an empty object.
std::expected<BackendChange, std::string> read_change(BackendChange::What what,
                                                      std::string_view body);

// The body of a pin (with a backend) or of its end (without one). The user comes in lower case.
struct PinRequest {
  std::string user;
  std::string pool;
  std::optional<HostPort> backend;
};
std::expected<PinRequest, std::string> read_pin(std::string_view body, bool with_backend);

// An order to move users; `many`: not one by name, but those at a backend or of a list.
std::expected<MoveRequest, std::string> read_move(std::string_view body, bool many);
// Nothing, or an empty object.
std::expected<void, std::string> read_nothing(std::string_view body);
// The number of an order, in a path.
std::optional<std::uint64_t> read_move_number(std::string_view text);
// A page of orders (`cursor` is a number of an order) or, with `state` allowed, of users of one.
struct MovesQuery {
  std::size_t limit = 100;
  std::uint64_t cursor = 0;  // 0: not given
  std::string state;
};
std::expected<MovesQuery, std::string> read_moves_query(const Parameters& parameters,
                                                        bool with_state);

// A session's id, as in log lines: 16 hexadecimal digits.
std::string id_text(std::uint64_t id);

}  // namespace headgate::admin
