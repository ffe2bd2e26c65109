#include "config/reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <iterator>
#include <utility>

#include "base/printable.h"

namespace headgate::config {
namespace {

constexpr std::size_t kMaxValues = 200'000;
constexpr std::size_t kMaxErrors = 1000;
constexpr std::size_t kEchoLimit = 80;

}  // namespace

std::string Value::found() const {
  switch (node.Type()) {
    case YAML::NodeType::Scalar:
      return secret ? "a value that is not shown here"
                    : fmt::format("'{}'", printable(node.Scalar(), kEchoLimit));
    case YAML::NodeType::Sequence:
      return "a list";
    case YAML::NodeType::Map:
      return "a section";
    case YAML::NodeType::Null:
    case YAML::NodeType::Undefined:
      break;
  }
  return "nothing";
}

int line_of(const YAML::Node& node, int otherwise) {
  // An empty value is noticed, and marked, only where the next thing begins.
  if (node.IsNull()) {
    return otherwise;
  }
  const YAML::Mark mark = node.Mark();
  return mark.is_null() ? otherwise : mark.line + 1;
}

bool Reader::enter(const Value& value) {
  if (++values_ > kMaxValues) {
    if (values_ == kMaxValues + 1) {
      refuse_line(value.line, value.path, fmt::format("a file of at most {} values", kMaxValues));
    }
    return false;
  }
  lines_.emplace(value.path, value.line);
  return true;
}

void Reader::expected(const Value& value, std::string_view what) {
  expected(value, what, value.found());
}

void Reader::expected(const Value& value, std::string_view what, std::string_view found) {
  refuse_line(value.line, value.path, fmt::format("{}, found {}", what, found));
}

void Reader::refuse(const std::string& path, std::string what) {
  refuse_line(line(path), path, std::move(what));
}

void Reader::refuse_line(int line, const std::string& path, std::string what) {
  if (errors_.size() < kMaxErrors) {
    const auto at = std::ranges::upper_bound(errors_, line, {}, &Error::line);
    errors_.insert(at, {file_, line, path, std::move(what)});
  }
}

void Reader::refuse_in(const std::string& file, int line, std::string what) {
  if (file_errors_.size() < kMaxErrors) {
    file_errors_.push_back({file, line, "", std::move(what)});
  }
}

std::vector<Error> Reader::take_errors() {
  std::vector<Error> all = std::exchange(errors_, {});
  std::ranges::move(std::exchange(file_errors_, {}), std::back_inserter(all));
  return all;
}

bool Reader::good(const std::string& path) const {
  return has(path) && std::ranges::find(errors_, path, &Error::key) == errors_.end();
}

int Reader::line(std::string path) const {
  for (;;) {
    if (const auto known = lines_.find(path); known != lines_.end()) {
      return known->second;
    }
    const std::size_t cut = path.find_last_of(".[");
    if (cut == std::string::npos) {
      return 1;
    }
    path.resize(cut);
  }
}

std::string Reader::resolve(std::string_view path) const {
  return (std::filesystem::path(file_).parent_path() / path).lexically_normal().string();
}

}  // namespace headgate::config
