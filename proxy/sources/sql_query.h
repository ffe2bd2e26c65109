#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "auth/user_source.h"

namespace headgate::sources {

// A query with named placeholders:
//   :user        the name that the client gave
//   :local_part  what stands before its last '@'; all of it without one
//   :domain      what stands behind it; empty without one
//   :ip          the client's address
//   :listener    name of the listener
// The values are bound, never pasted. What stands in '…', and '::' and ':=', are no placeholders.
class SqlQuery {
 public:
  // The error begins with "expected".
  static std::expected<SqlQuery, std::string> parse(std::string text);

  [[nodiscard]] const std::string& text() const { return text_; }

  struct Value {
    std::string name;  // without ':'
    std::string value;
  };
  // One for each placeholder in the text.
  [[nodiscard]] std::vector<Value> values(std::string_view user, const std::string& ip,
                                          std::string_view listener) const;
  [[nodiscard]] bool uses(std::string_view placeholder) const;

 private:
  explicit SqlQuery(std::string text) : text_(std::move(text)) {}

  std::string text_;
  std::vector<std::string> names_;
};

}  // namespace headgate::sources
