#include <fmt/format.h>

#include "config/scalars.h"
#include "config/schema.h"

// docs/configuration.md, conf/headgate.yaml and conf/headgate.schema.json, printed from the table.
namespace headgate::config {
namespace {

// What is inside a key: its own keys, or those of its items.
const std::vector<KeyInfo>& inner_keys(const TypeInfo& type) {
  return type.item ? inner_keys(*type.item) : type.keys;
}

std::string inner_path(const std::string& path, const TypeInfo& type) {
  switch (type.shape) {
    case Shape::kList:
      return path + "[]";
    case Shape::kMap:
      return path + ".NAME";
    case Shape::kScalar:
    case Shape::kSection:
      break;
  }
  return path;
}

std::string describe_default(const KeyInfo& key) {
  if (key.options.required) {
    return "required";
  }
  if (key.type.shape == Shape::kSection) {
    return "see below";
  }
  return key.default_text.empty() || key.default_text == "[]" ? "none" : key.default_text;
}

// The pages.

std::string markdown_cell(std::string_view text) {
  std::string cell;
  for (const char c : text) {
    if (c == '|' || c == '*' || c == '<') {
      cell.append(1, '\\');
    }
    cell.append(1, c);
  }
  return cell;
}

void append_tables(std::string& page, const std::string& path, std::string_view help,
                   const std::vector<KeyInfo>& keys) {
  if (!path.empty()) {
    page += fmt::format("\n## `{}`\n\n{}\n", path, markdown_cell(help));
  }
  page += "\n| key | value | default | meaning |\n| --- | --- | --- | --- |\n";
  const std::string prefix = path.empty() ? "" : path + ".";
  for (const KeyInfo& key : keys) {
    const std::string standard = describe_default(key);
    const bool word = standard == "required" || standard == "none" || standard == "see below";
    page += fmt::format("| `{}{}` | {} | {} | {} |\n", prefix, key.key,
                        markdown_cell(key.type.expected),
                        word ? standard : fmt::format("`{}`", standard), markdown_cell(key.help));
  }
  for (const KeyInfo& key : keys) {
    if (const auto& inner = inner_keys(key.type); !inner.empty()) {
      append_tables(page, inner_path(prefix + std::string(key.key), key.type), key.help, inner);
    }
  }
}

// The example. A key that is only commented out begins with '#' and no space, so that taking the
// '#' away makes it count.

class ExampleWriter {
 public:
  void keys(const std::vector<KeyInfo>& keys, std::size_t indent, bool active) {
    for (const KeyInfo& key : keys) {
      write_key(key, indent, active && (key.options.required || key.options.shown));
      if (indent == 0) {
        text_ += "\n";
      }
    }
  }
  [[nodiscard]] std::string take() { return std::move(text_); }

 private:
  static constexpr std::size_t kWidth = 100;

  void line(std::size_t indent, bool active, std::string_view content) {
    // What is inside something commented out keeps its '#' in the same column.
    if (active) {
      text_.append(indent, ' ').append(dash_);
    } else {
      const std::size_t column = std::min(indent, comment_column_);
      text_.append(column, ' ').append("#").append(indent - column, ' ').append(dash_);
    }
    dash_ = "";
    text_.append(content).append("\n");
  }

  void comment(std::size_t indent, bool active, std::string_view help) {
    std::string_view rest = help;
    const std::size_t width = kWidth - indent - 3;
    while (!rest.empty()) {
      std::size_t cut = rest.size() <= width ? rest.size() : rest.rfind(' ', width);
      if (cut == rest.npos) {
        cut = rest.size();
      }
      const std::size_t column = active ? indent : std::min(indent, comment_column_);
      text_.append(column, ' ').append("# ").append(indent - column, ' ');
      text_.append(rest.substr(0, cut)).append("\n");
      rest.remove_prefix(std::min(rest.size(), cut + 1));
    }
  }

  void help(const KeyInfo& key, std::size_t indent, bool active) {
    std::string text(key.help);
    if (key.type.shape == Shape::kScalar) {
      text += fmt::format(" Expected: {}.", key.type.expected);
    }
    if (const std::string standard = describe_default(key);
        standard == "required" || key.type.shape == Shape::kScalar) {
      text += standard == "required" ? " Required." : fmt::format(" Default: {}.", standard);
    }
    comment(indent, active, text);
  }

  // The first item of a list has its dash before its first key, whose comment so comes above it.
  void write_key(const KeyInfo& key, std::size_t indent, bool active) {
    const std::size_t outer_column = comment_column_;
    if (!active) {
      comment_column_ = std::min(comment_column_, indent);
    }
    help(key, indent - (dash_.empty() ? 0 : dash_.size()), active);
    const std::size_t at = indent - dash_.size();
    const auto& inner = inner_keys(key.type);
    if (inner.empty()) {
      const std::string_view example =
          !key.options.example.empty() ? key.options.example : std::string_view(key.default_text);
      line(at, active, fmt::format("{}: {}", key.key, example));
    } else {
      line(at, active, fmt::format("{}:", key.key));
      write_inner(key, inner, indent, active);
    }
    comment_column_ = outer_column;
  }

  void write_inner(const KeyInfo& key, const std::vector<KeyInfo>& inner, std::size_t indent,
                   bool active) {
    if (key.type.shape == Shape::kList) {
      dash_ = "- ";
      keys(inner, indent + 4, active);
      if (!key.options.more.empty()) {
        line(indent + 2, active, fmt::format("- {}", key.options.more));
      }
    } else if (key.type.shape == Shape::kMap) {
      line(indent + 2, active, "main:");
      keys(inner, indent + 4, active);
    } else {
      keys(inner, indent + 2, active);
    }
  }

  std::string text_;
  std::string_view dash_;  // to be put before the next key
  std::size_t comment_column_ = kWidth;
};

// The JSON Schema.

void append_schema(std::string& json, const TypeInfo& type, std::size_t indent);

void append_section(std::string& json, const TypeInfo& type, std::size_t indent) {
  const std::string space(indent, ' ');
  json += R"("type": "object", "additionalProperties": false)";
  std::string required;
  for (const KeyInfo& key : type.keys) {
    if (key.options.required) {
      required.append(required.empty() ? "" : ", ").append(json_text(key.key));
    }
  }
  if (!required.empty()) {
    json += fmt::format(",\n{}\"required\": [{}]", space, required);
  }
  json += fmt::format(",\n{}\"properties\": {{", space);
  for (const KeyInfo& key : type.keys) {
    std::string help(key.help);
    if (key.type.shape == Shape::kScalar) {
      help += fmt::format(" Expected: {}.", key.type.expected);
      help += key.options.required ? "" : fmt::format(" Default: {}.", describe_default(key));
    }
    json += fmt::format("{}\n{}  {}: {{\n{}    \"description\": {},\n{}    ",
                        &key == &type.keys.front() ? "" : ",", space, json_text(key.key), space,
                        json_text(help), space);
    append_schema(json, key.type, indent + 4);
    json += fmt::format("\n{}  }}", space);
  }
  json += fmt::format("\n{}}}", space);
}

void append_schema(std::string& json, const TypeInfo& type, std::size_t indent) {
  const std::string space(indent, ' ');
  switch (type.shape) {
    case Shape::kScalar:
      json += type.json;
      return;
    case Shape::kSection:
      append_section(json, type, indent);
      return;
    case Shape::kList:
      json += fmt::format("{},\n{}\"items\": {{\n{}  ", type.json, space, space);
      break;
    case Shape::kMap:
      json += fmt::format(
          "\"type\": \"object\", {},\n{}\"propertyNames\": {{\"pattern\": "
          "\"^[A-Za-z0-9_.-]{{1,64}}$\"}},\n{}\"additionalProperties\": {{\n{}  ",
          type.json, space, space, space);
      break;
  }
  append_schema(json, *type.item, indent + 2);
  json += fmt::format("\n{}}}", space);
}

}  // namespace

std::string configuration_page() {
  std::string page =
      "# Configuration\n\n"
      "Printed by `headgate docs configuration` from the table that the parser reads; change\n"
      "`proxy/config/schema.cc` and run `scripts/generate`.\n\n"
      "One YAML file. `headgate check --config FILE` reports every error at once with file, line "
      "and\n"
      "key. Unknown keys are errors. Relative paths are relative to the file. Durations are a "
      "whole\n"
      "number with its unit: `500ms`, `30s`, `31m`, `2h`. Sizes are bytes, or have the unit `KiB` "
      "or\n"
      "`MiB`. `conf/headgate.yaml` is a commented example of every key, and\n"
      "`conf/headgate.schema.json` tells editors about them: put\n"
      "`# yaml-language-server: $schema=headgate.schema.json` on the first line.\n\n"
      "## Top level\n";
  append_tables(page, "", "", schema().info.keys);
  return page;
}

std::string example_file() {
  ExampleWriter writer;
  writer.keys(schema().info.keys, 0, true);
  std::string text = writer.take();
  text.pop_back();
  return "# yaml-language-server: $schema=headgate.schema.json\n"
         "#\n"
         "# Every key of Headgate's configuration. What is active is a minimal configuration; what "
         "begins\n"
         "# with '#' and no space shows the default or an example. Check with: headgate check "
         "--config "
         "FILE\n"
         "#\n"
         "# Printed by `headgate docs example`.\n\n" +
         text;
}

std::string json_schema() {
  std::string json =
      "{\n  \"$schema\": \"http://json-schema.org/draft-07/schema#\",\n"
      "  \"title\": \"Headgate configuration\",\n  ";
  append_schema(json, schema().info, 2);
  return json + "\n}\n";
}

}  // namespace headgate::config
