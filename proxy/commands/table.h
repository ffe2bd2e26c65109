#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace headgate::commands {

// Rows in columns that line up, for people.
class Table {
 public:
  // A column whose title begins with '>' is a number: it ends at the right.
  explicit Table(std::vector<std::string_view> titles);
  void add(std::vector<std::string> row);  // as many as there are titles; made printable
  [[nodiscard]] std::string text() const;  // lines, without spaces at their ends

 private:
  std::vector<bool> right_;
  std::vector<std::vector<std::string>> rows_;  // the titles first
};

}  // namespace headgate::commands
