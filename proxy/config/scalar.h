#pragma once

#include <expected>
#include <functional>
#include <string>
#include <string_view>
#include <utility>

#include "config/reader.h"
#include "config/type.h"

// What the kinds of values of scalars.h are made of.
namespace headgate::config {

inline bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

// A scalar whose text `parse` turns into a T. The error of `parse` replaces the general description
// when it is not empty.
template <typename T>
Type<T> scalar(std::string expected, std::string json,
               std::function<std::expected<T, std::string>(std::string_view)> parse,
               std::function<std::string(const T&)> print) {
  auto read = [expected, parse = std::move(parse)](Reader& reader, const Value& value, T& out) {
    if (!reader.enter(value)) {
      return false;
    }
    if (!value.node.IsScalar()) {
      reader.expected(value, expected);
      return false;
    }
    auto parsed = parse(value.node.Scalar());
    if (!parsed) {
      reader.expected(value, parsed.error().empty() ? expected : parsed.error());
      return false;
    }
    out = std::move(*parsed);
    return true;
  };
  return {
      {Shape::kScalar, expected, std::move(json), nullptr, {}}, std::move(read), std::move(print)};
}

}  // namespace headgate::config
