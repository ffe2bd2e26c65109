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

using Parameters = std::map<std::string, std::string>;

// The names and values of a query ("user=a%40b&limit=10"), decoded. The error says which parameter
// is there twice or has bytes that no value may have.
std::expected<Parameters, std::string> parse_query(std::string_view query);

}  // namespace headgate::admin
