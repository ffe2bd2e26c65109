#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "config/config.h"

namespace headgate::config {

// One key that two configurations differ in.
struct Change {
  enum class Kind : std::uint8_t {
    kChanged,
    kAdded,    // an entry of a list or map, or a section; what it holds beside defaults follows
    kRemoved,  // likewise, as a whole
    kOrder,    // the same entries in another order
  };

  Kind kind = Kind::kChanged;
  std::string key;     // "pools.main.backends[127.0.1.1:10143].weight"
  std::string before;  // as YAML; empty: not set, or not to be shown
  std::string after;
  bool secret = false;

  // "pools.main.policy: user_hash -> first"; a secret is only said to have changed.
  [[nodiscard]] std::string to_string() const;
};

using Difference = std::vector<Change>;

// A line for each change.
std::string to_string(const Difference& difference);

// What is different in `after`, key by key with defaults filled in. Entries of lists are matched by
// their name or address where they have one, else by place. Files that keep their name count as
// unchanged whatever is in them.
Difference difference(const Config& before, const Config& after);

// Whether both are the same in every key, secrets included.
bool same(const UserSource& one, const UserSource& other);

}  // namespace headgate::config
