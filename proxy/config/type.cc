#include "config/type.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "base/printable.h"
#include "config/scalars.h"

namespace headgate::config {
namespace {

constexpr std::size_t kMaxKey = 64;

// Levenshtein distance, for "did you mean".
std::size_t distance(std::string_view left, std::string_view right) {
  std::vector<std::size_t> row(right.size() + 1);
  std::iota(row.begin(), row.end(), 0);
  for (std::size_t i = 0; i < left.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i + 1;
    for (std::size_t j = 0; j < right.size(); ++j) {
      const std::size_t replaced = diagonal + (left[i] == right[j] ? 0 : 1);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replaced, row[j] + 1, diagonal + 1});
    }
  }
  return row.back();
}

std::string suggestion(std::string_view unknown, const std::vector<KeyInfo>& keys) {
  const KeyInfo* best = nullptr;
  std::size_t best_distance = std::max<std::size_t>(2, unknown.size() / 3) + 1;
  for (const KeyInfo& key : keys) {
    const std::size_t d = unknown.size() > kMaxKey ? kMaxKey : distance(unknown, key.key);
    if (d < best_distance && d < key.key.size()) {
      best = &key;
      best_distance = d;
    }
  }
  if (best != nullptr) {
    return fmt::format("did you mean '{}'?", best->key);
  }
  std::string all = "known here:";
  for (const KeyInfo& key : keys) {
    all.append(&key == &keys.front() ? " " : ", ").append(key.key);
  }
  return all;
}

std::string join(const std::string& path, std::string_view key) {
  return path.empty() ? std::string(key) : fmt::format("{}.{}", path, key);
}

// The text of a key; nullopt, reported, where it is no text or stands there for the second time.
std::optional<std::string> read_key(Reader& reader, const Value& section, const YAML::Node& key,
                                    int line, std::map<std::string, int>& seen) {
  if (!key.IsScalar()) {
    reader.refuse_line(line, section.path, "a key that is a plain word");
    return std::nullopt;
  }
  std::string text = key.Scalar();
  const auto [known, fresh] = seen.emplace(text, line);
  if (!fresh) {
    reader.refuse_line(line, join(section.path, printable(text, kMaxKey)),
                       fmt::format("each key once, found it again after line {}", known->second));
    return std::nullopt;
  }
  return text;
}

}  // namespace

void read_keys(Reader& reader, const Value& value, const std::vector<KeyInfo>& keys,
               const std::function<void(std::size_t, const Value&)>& read) {
  if (!reader.enter(value)) {
    return;
  }
  if (!value.node.IsMap() && !(value.path.empty() && value.node.IsNull())) {
    // A text in place of a section may be a secret of that section.
    reader.expected(value, "a section", value.node.IsScalar() ? "a text" : value.found());
    return;
  }
  std::map<std::string, int> seen;
  for (const auto& entry : value.node) {
    const int line = line_of(entry.first, value.line);
    const auto text = read_key(reader, value, entry.first, line, seen);
    if (!text) {
      continue;
    }
    const auto known = std::ranges::find(keys, *text, &KeyInfo::key);
    if (known == keys.end()) {
      const std::string name = printable(*text, kMaxKey);
      reader.refuse_line(line, join(value.path, name),
                         fmt::format("a known key, found '{}'; {}", name, suggestion(*text, keys)));
      continue;
    }
    read(static_cast<std::size_t>(known - keys.begin()),
         {entry.second, join(value.path, *text), line_of(entry.second, line),
          known->options.secret});
  }
  for (const KeyInfo& key : keys) {
    if (key.options.required && !seen.contains(std::string(key.key))) {
      reader.refuse_line(value.line, join(value.path, key.key),
                         fmt::format("{}, found nothing", key.type.expected));
    }
  }
}

bool read_items(Reader& reader, const Value& value, const TypeInfo& info, std::size_t minimum,
                const std::function<void(const Value&)>& read) {
  if (!reader.enter(value)) {
    return false;
  }
  if (!value.node.IsSequence()) {
    reader.expected(value, info.expected, value.node.IsScalar() ? "a text" : value.found());
    return false;
  }
  if (value.node.size() < minimum) {
    reader.expected(value, info.expected, "an empty list");
    return false;
  }
  std::size_t index = 0;
  for (const auto& entry : value.node) {
    const YAML::Node& element = entry;  // the iterator's value is also a pair, for maps
    read({element, fmt::format("{}[{}]", value.path, index++), line_of(element, value.line),
          value.secret});
  }
  return true;
}

bool read_entries(Reader& reader, const Value& value, const TypeInfo& info, std::size_t minimum,
                  const std::function<void(const std::string& name, const Value&)>& read) {
  if (!reader.enter(value)) {
    return false;
  }
  if (!value.node.IsMap()) {
    reader.expected(value, info.expected, value.node.IsScalar() ? "a text" : value.found());
    return false;
  }
  if (value.node.size() < minimum) {
    reader.expected(value, info.expected, "an empty section");
    return false;
  }
  std::map<std::string, int> seen;
  for (const auto& entry : value.node) {
    const int line = line_of(entry.first, value.line);
    const auto text = read_key(reader, value, entry.first, line, seen);
    if (!text) {
      continue;
    }
    if (!is_name(*text)) {
      reader.refuse_line(
          line, value.path,
          fmt::format("{} for each key, found '{}'", kNameExpected, printable(*text, kMaxKey)));
      continue;
    }
    read(*text, {entry.second, join(value.path, *text), line_of(entry.second, line), value.secret});
  }
  return true;
}

}  // namespace headgate::config
