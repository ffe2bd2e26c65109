#include "config/difference.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <string_view>
#include <utility>

#include "config/schema.h"
#include "config/text_tree.h"

namespace headgate::config {
namespace {

using Kind = TextNode::Kind;
using Children = std::map<std::string_view, const TextNode*>;

Children by_name(const TextNode& node) {
  Children children;
  for (const TextNode& child : node.children) {
    children.emplace(child.name, &child);
  }
  return children;
}

const TextNode* find(const Children& children, const std::string& name) {
  const auto found = children.find(name);
  return found != children.end() ? found->second : nullptr;
}

class Comparison {
 public:
  void compare(const std::string& path, const TextNode& before, const TextNode& after) {
    switch (after.kind) {
      case Kind::kText:
        if (before.text != after.text) {
          add({Change::Kind::kChanged, path, before.text, after.text});
        }
        return;
      case Kind::kSecret:
        if (!before.secret.equals(after.secret.view())) {
          add({Change::Kind::kChanged, path, "", "", true});
        }
        return;
      case Kind::kSection:
      case Kind::kMap:
      case Kind::kList:
        compare_children(path, before, after);
        return;
    }
  }

  Difference take() { return std::move(changes_); }

 private:
  static std::string join(const std::string& path, const TextNode& parent, const TextNode& child) {
    if (parent.kind == Kind::kList) {
      return fmt::format("{}[{}]", path, child.name);
    }
    return path.empty() ? child.name : fmt::format("{}.{}", path, child.name);
  }

  void compare_children(const std::string& path, const TextNode& before, const TextNode& after) {
    const Children known = by_name(before);
    const Children here = by_name(after);
    for (const TextNode& child : before.children) {
      if (find(here, child.name) == nullptr) {
        remove(join(path, before, child), child);
      }
    }
    if (after.kind != Kind::kSection && !same_order(before, here, after, known)) {
      add({Change::Kind::kOrder, path, "", ""});
    }
    for (const TextNode& child : after.children) {
      const std::string key = join(path, after, child);
      if (const TextNode* old = find(known, child.name)) {
        compare(key, *old, child);
      } else {
        insert(key, child);
      }
    }
  }

  // Whether the entries that are in both stand in the same order.
  static bool same_order(const TextNode& before, const Children& here, const TextNode& after,
                         const Children& known) {
    std::vector<std::string_view> old;
    std::vector<std::string_view> now;
    for (const TextNode& child : before.children) {
      if (find(here, child.name) != nullptr) {
        old.push_back(child.name);
      }
    }
    for (const TextNode& child : after.children) {
      if (find(known, child.name) != nullptr) {
        now.push_back(child.name);
      }
    }
    return old == now;
  }

  void remove(const std::string& path, const TextNode& node) {
    if (node.kind == Kind::kText) {
      add({Change::Kind::kChanged, path, node.text, ""});
    } else if (node.kind == Kind::kSecret) {
      add({Change::Kind::kChanged, path, "", "", true});
    } else {
      add({Change::Kind::kRemoved, path, "", ""});
    }
  }

  void insert(const std::string& path, const TextNode& node) {
    if (node.kind == Kind::kText) {
      add({Change::Kind::kChanged, path, "", node.text});
    } else if (node.kind == Kind::kSecret) {
      add({Change::Kind::kChanged, path, "", "", true});
    } else {
      add({Change::Kind::kAdded, path, "", ""});
      show_children(path, node);
    }
  }

  // Of something new: what stands in it beside defaults.
  void show_children(const std::string& path, const TextNode& node) {
    for (const TextNode& child : node.children) {
      const std::string key = join(path, node, child);
      switch (child.kind) {
        case Kind::kText:
          if (child.text != child.standard && !child.text.empty()) {
            add({Change::Kind::kAdded, key, "", child.text});
          }
          break;
        case Kind::kSecret:
          if (!child.secret.empty()) {
            add({Change::Kind::kAdded, key, "", "", true});
          }
          break;
        case Kind::kSection:
        case Kind::kMap:
        case Kind::kList:
          show_children(key, child);
          break;
      }
    }
  }

  void add(Change change) { changes_.push_back(std::move(change)); }

  Difference changes_;
};

std::string_view or_nothing(const std::string& text) {
  return text.empty() || text == R"("")" ? std::string_view("(not set)") : text;
}

}  // namespace

std::string Change::to_string() const {
  switch (kind) {
    case Kind::kChanged:
      break;
    case Kind::kAdded:
      return after.empty() ? fmt::format("{}: {}", key, secret ? "set, not shown" : "added")
                           : fmt::format("{}: {}", key, after);
    case Kind::kRemoved:
      return key + ": removed";
    case Kind::kOrder:
      return key + ": in another order";
  }
  return secret ? key + ": changed, not shown"
                : fmt::format("{}: {} -> {}", key, or_nothing(before), or_nothing(after));
}

std::string to_string(const Difference& difference) {
  std::string text;
  for (const Change& change : difference) {
    text.append(change.to_string()).append("\n");
  }
  return text;
}

Difference difference(const Config& before, const Config& after) {
  const auto tree = tree_of(schema());
  Comparison comparison;
  comparison.compare("", tree(before), tree(after));
  return comparison.take();
}

bool same(const UserSource& one, const UserSource& other) {
  const auto tree = tree_of(user_source_schema());
  Comparison comparison;
  comparison.compare("", tree(one), tree(other));
  return comparison.take().empty();
}

}  // namespace headgate::config
