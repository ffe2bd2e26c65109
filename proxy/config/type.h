#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "config/reader.h"
#include "config/text_tree.h"

// The vocabulary of the schema. A Type<T> knows how to read a T, how to print one and how to
// describe itself; types compose into lists, maps and sections, and the one table of schema.cc is
// written in them. What the generators of documents see of it all is TypeInfo.
namespace headgate::config {

enum class Shape : std::uint8_t { kScalar, kList, kMap, kSection };

struct KeyInfo;

struct TypeInfo {
  Shape shape = Shape::kScalar;
  std::string expected;  // what stands behind "expected": "a whole number from 0 to 10000"
  std::string json;      // scalars, lists: members of the JSON Schema object: `"type": "integer"`
  std::shared_ptr<const TypeInfo> item;  // of lists and maps
  std::vector<KeyInfo> keys;             // of sections
};

// How a key is shown, beside what its type says.
struct KeyOptions {
  bool required = false;
  bool secret = false;            // its value is never echoed
  bool shown = false;             // active in the commented example although it has a default
  std::string_view example = {};  // as YAML; for keys whose default does not show what to write
  std::string_view more = {};     // lists: further items for the example, one a line, as YAML
};

struct KeyInfo {
  std::string_view key;
  std::string_view help;
  TypeInfo type;
  KeyOptions options;
  std::string default_text;  // as YAML; empty: none
};

template <typename T>
struct Type {
  TypeInfo info;
  // False when something was wrong; it has been reported.
  std::function<bool(Reader&, const Value&, T&)> read;
  std::function<std::string(const T&)> print;  // as YAML; empty for what has no short form
  // As a tree, to be compared with another one. Not set: it is one text, that of print().
  std::function<TextNode(const T&)> tree = {};
};

template <typename T>
std::function<TextNode(const T&)> tree_of(const Type<T>& type) {
  if (type.tree) {
    return type.tree;
  }
  return [print = type.print](const T& value) {
    TextNode node;
    node.text = print(value);
    return node;
  };
}

// One key of a section that is read into an S.
template <typename S>
struct Key {
  KeyInfo info;
  std::function<bool(Reader&, const Value&, S&)> read;
  std::function<std::optional<TextNode>(const S&)> tree;  // nullopt: not set
};

// `node` as the value of the key.
TextNode value_of(std::string_view key, std::string_view standard, bool secret, TextNode node);

// Conditions between the keys of one section; reports by Reader::refuse().
template <typename S>
using Check = std::function<void(Reader&, const std::string& path, const S&)>;

template <typename S, typename T>
Key<S> key(std::string_view name, T S::* member, Type<T> type, std::string_view help,
           KeyOptions options = {}) {
  std::string standard = options.required || options.secret ? "" : type.print(S{}.*member);
  auto tree = [name, member, standard, secret = options.secret,
               tree = tree_of(type)](const S& section) {
    return std::optional(value_of(name, standard, secret, tree(section.*member)));
  };
  return {{name, help, type.info, options, standard},
          [member, read = type.read](Reader& reader, const Value& value, S& section) {
            return read(reader, value, section.*member);
          },
          std::move(tree)};
}

// A key without which the member stays empty.
template <typename S, typename T>
Key<S> key(std::string_view name, std::optional<T> S::* member, Type<T> type, std::string_view help,
           KeyOptions options = {}) {
  auto tree = [name, member, secret = options.secret, tree = tree_of(type)](const S& section) {
    return section.*member ? std::optional(value_of(name, "", secret, tree(*(section.*member))))
                           : std::nullopt;
  };
  return {{name, help, type.info, options, ""},
          [member, read = type.read](Reader& reader, const Value& value, S& section) {
            return read(reader, value, (section.*member).emplace());
          },
          std::move(tree)};
}

// The part of reading a section that does not depend on its type: reports what is no section, keys
// that are unknown, twice there or missing, and calls `read` with the index of each known key.
void read_keys(Reader& reader, const Value& value, const std::vector<KeyInfo>& keys,
               const std::function<void(std::size_t, const Value&)>& read);

template <typename S>
TypeInfo section_info(const std::vector<Key<S>>& keys) {
  TypeInfo info{Shape::kSection, "a section", "", nullptr, {}};
  for (const Key<S>& key : keys) {
    info.keys.push_back(key.info);
  }
  return info;
}

template <typename S>
Type<S> section(std::vector<Key<S>> keys, Check<S> check = {}) {
  TypeInfo info = section_info(keys);
  auto tree = [keys](const S& section) {
    TextNode node;
    node.kind = TextNode::Kind::kSection;
    for (const Key<S>& key : keys) {
      if (auto child = key.tree(section)) {
        node.children.push_back(*std::move(child));
      }
    }
    return node;
  };
  auto read = [keys = std::move(keys), infos = info.keys, check = std::move(check)](
                  Reader& reader, const Value& value, S& out) {
    bool ok = true;
    read_keys(reader, value, infos, [&](std::size_t index, const Value& member) {
      ok = keys[index].read(reader, member, out) && ok;
    });
    if (check) {
      check(reader, value.path, out);
    }
    return ok;
  };
  return {std::move(info), std::move(read), [](const S&) { return std::string(); },
          std::move(tree)};
}

// A section in the file that has no struct of its own: its keys are members of S.
template <typename S>
Key<S> group(std::string_view name, std::string_view help, std::vector<Key<S>> keys) {
  Type<S> type = section(std::move(keys));
  auto tree = [name, tree = std::move(type.tree)](const S& section) {
    return std::optional(value_of(name, "", false, tree(section)));
  };
  return {{name, help, std::move(type.info), {}, ""}, std::move(type.read), std::move(tree)};
}

// What lists and maps do with their entries, whatever these are: false when it is no list or map.
bool read_items(Reader& reader, const Value& value, const TypeInfo& info, std::size_t minimum,
                const std::function<void(const Value&)>& read);
bool read_entries(Reader& reader, const Value& value, const TypeInfo& info, std::size_t minimum,
                  const std::function<void(const std::string& name, const Value&)>& read);

template <typename T>
Type<std::vector<T>> list_of(Type<T> item, std::string_view what, std::size_t minimum = 0) {
  TypeInfo info{Shape::kList,
                std::string(what),
                R"("type": "array")",
                std::make_shared<const TypeInfo>(item.info),
                {}};
  if (minimum > 0) {
    info.json += R"(, "minItems": )" + std::to_string(minimum);
  }
  auto read = [info, minimum, item](Reader& reader, const Value& value, std::vector<T>& out) {
    bool ok = true;
    out.clear();  // of a default
    ok = read_items(reader, value, info, minimum,
                    [&](const Value& entry) {
                      out.emplace_back();
                      ok = item.read(reader, entry, out.back()) && ok;
                    }) &&
         ok;
    return ok;
  };
  auto print = [item](const std::vector<T>& list) {
    std::string text = "[";
    for (const T& entry : list) {
      text.append(text.size() > 1 ? ", " : "").append(item.print(entry));
    }
    return text + "]";
  };
  if (item.info.shape == Shape::kScalar) {
    return {std::move(info), std::move(read), std::move(print)};
  }
  auto tree = [tree = tree_of(item)](const std::vector<T>& list) {
    TextNode node;
    node.kind = TextNode::Kind::kList;
    for (const T& entry : list) {
      node.children.push_back(tree(entry));
      node.children.back().name = item_name(node.children.back(), node.children.size() - 1);
    }
    return node;
  };
  return {std::move(info), std::move(read), std::move(print), std::move(tree)};
}

// One scalar, or a list of at least one.
template <typename T>
Type<std::vector<T>> one_or_more(const Type<T>& item) {
  const Type<std::vector<T>> list = list_of(item, item.info.expected + ", or a list of these", 1);
  TypeInfo info{Shape::kScalar,
                list.info.expected,
                "\"anyOf\": [{" + item.info.json + "}, {" + list.info.json + ", \"items\": {" +
                    item.info.json + "}}]",
                nullptr,
                {}};
  auto read = [item, list](Reader& reader, const Value& value, std::vector<T>& out) {
    if (!value.node.IsScalar()) {
      return list.read(reader, value, out);
    }
    out.resize(1);
    return item.read(reader, value, out.front());
  };
  auto print = [item, list](const std::vector<T>& all) {
    return all.empty() ? "" : all.size() == 1 ? item.print(all.front()) : list.print(all);
  };
  return {std::move(info), std::move(read), std::move(print)};
}

// A section whose keys are names that the file chooses; kept in order, each item knowing its name.
template <typename T>
Type<std::vector<T>> map_of(std::string T::* name_member, Type<T> item, std::string_view what,
                            std::size_t minimum = 0) {
  TypeInfo info{
      Shape::kMap, std::string(what), "", std::make_shared<const TypeInfo>(item.info), {}};
  if (minimum > 0) {
    info.json = R"("minProperties": )" + std::to_string(minimum);
  }
  auto read = [info, minimum, item, name_member](Reader& reader, const Value& value,
                                                 std::vector<T>& out) {
    bool ok = true;
    ok = read_entries(reader, value, info, minimum,
                      [&](const std::string& entry_name, const Value& entry) {
                        out.emplace_back();
                        out.back().*name_member = entry_name;
                        ok = item.read(reader, entry, out.back()) && ok;
                      }) &&
         ok;
    return ok;
  };
  auto tree = [tree = tree_of(item), name_member](const std::vector<T>& entries) {
    TextNode node;
    node.kind = TextNode::Kind::kMap;
    for (const T& entry : entries) {
      node.children.push_back(tree(entry));
      node.children.back().name = entry.*name_member;
    }
    return node;
  };
  return {std::move(info), std::move(read), [](const std::vector<T>&) { return std::string(); },
          std::move(tree)};
}

}  // namespace headgate::config
