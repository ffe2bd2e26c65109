#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/secret.h"

namespace headgate::config {

// A configuration as a tree of texts: what two of them are compared by, key by key. Made by the
// schema, so that a key that is added there is compared as well.
struct TextNode {
  enum class Kind : std::uint8_t {
    kText,     // one value, as YAML
    kSecret,   // compared, and never shown
    kSection,  // children are its keys, those that are not set left out
    kMap,      // children are its entries
    kList,     // likewise; a list of plain values is kText
  };

  Kind kind = Kind::kText;
  std::string name;      // the key; for an entry of a map or list what it is known by
  std::string text;      // kText
  std::string standard;  // kText: the key's default; empty: none
  Secret secret;         // kSecret
  std::vector<TextNode> children;
};

// What an item of a list is known by, so that one more at the front does not change all the others:
// its name, else its address, else its place.
std::string item_name(const TextNode& item, std::size_t place);

}  // namespace headgate::config
