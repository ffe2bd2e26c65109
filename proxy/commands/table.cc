#include "commands/table.h"

#include <algorithm>

#include "base/printable.h"
#include "base/utf8.h"

namespace headgate::commands {
namespace {

// Characters, taking each for one column wide.
std::size_t width(std::string_view text) {
  std::size_t characters = 0;
  for (; !text.empty(); ++characters) {
    text.remove_prefix(std::max<std::size_t>(utf8_length(text), 1));
  }
  return characters;
}

}  // namespace

Table::Table(std::vector<std::string_view> titles) {
  std::vector<std::string>& first = rows_.emplace_back();
  for (std::string_view title : titles) {
    right_.push_back(title.starts_with('>'));
    title.remove_prefix(right_.back() ? 1 : 0);
    first.emplace_back(title);
  }
}

void Table::add(std::vector<std::string> row) {
  for (std::string& cell : row) {
    cell = printable(cell);
  }
  rows_.push_back(std::move(row));
}

std::string Table::text() const {
  std::vector<std::size_t> widths(right_.size(), 0);
  for (const auto& row : rows_) {
    for (std::size_t at = 0; at < row.size(); ++at) {
      widths[at] = std::max(widths[at], width(row[at]));
    }
  }
  std::string text;
  for (const auto& row : rows_) {
    for (std::size_t at = 0; at < row.size(); ++at) {
      const std::string space(widths[at] - width(row[at]), ' ');
      text += at == 0 ? "" : "  ";
      text += right_[at] ? space + row[at] : row[at] + space;
    }
    text.erase(text.find_last_not_of(' ') + 1);
    text += '\n';
  }
  return text;
}

}  // namespace headgate::commands
