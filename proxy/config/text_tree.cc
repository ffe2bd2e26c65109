#include "config/text_tree.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "config/type.h"

namespace headgate::config {
namespace {

std::string_view without_quotes(std::string_view text) {
  const bool quoted = text.size() >= 2 && text.front() == '"' && text.back() == '"';
  return quoted ? text.substr(1, text.size() - 2) : text;
}

}  // namespace

std::string item_name(const TextNode& item, std::size_t place) {
  for (const std::string_view key : {"name", "address"}) {
    const auto found = std::ranges::find(item.children, key, &TextNode::name);
    if (found != item.children.end() && !found->text.empty()) {
      return std::string(without_quotes(found->text));
    }
  }
  return std::to_string(place);
}

TextNode value_of(std::string_view key, std::string_view standard, bool secret, TextNode node) {
  node.name = key;
  node.standard = standard;
  if (secret && node.kind == TextNode::Kind::kText) {
    node.kind = TextNode::Kind::kSecret;
    node.secret = Secret(std::exchange(node.text, {}));
  }
  return node;
}

}  // namespace headgate::config
