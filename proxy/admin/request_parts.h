#pragma once

#include <expected>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

// The parts of an HTTP request that routes are found by and that handlers ask for.
namespace headgate::admin {

// Whether `path` is what `pattern` says. A segment in braces stands for any one segment that is not
// empty: "/backends/{pool}/{backend}/drain". What stood for these, in order, is the result; it
// borrows from `path`.
std::optional<std::vector<std::string_view>> match_path(std::string_view pattern,
                                                        std::string_view path);

// The target of a request (RFC 9112 section 3.2).
struct TargetParts {
  std::string path;        // decoded
  std::string_view query;  // as sent, without '?'; borrows from the target
};
// Takes the forms "/path?query" and "http://host/path?query". The error says what is wrong.
std::expected<TargetParts, std::string> split_target(std::string_view target);

using Parameters = std::map<std::string, std::string>;

// The names and values of a query ("user=a%40b&limit=10"), decoded. The error says which parameter
// is there twice or has bytes that no value may have.
std::expected<Parameters, std::string> parse_query(std::string_view query);

}  // namespace headgate::admin
