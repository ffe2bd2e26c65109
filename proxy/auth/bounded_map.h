#pragma once

#include <cstddef>
#include <iterator>
#include <list>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

namespace headgate::auth {

// At most `capacity` values by name; a new one takes the place of the one that was used least
// recently. Not for several threads at a time.
template <typename Value>
class BoundedMap {
 public:
  explicit BoundedMap(std::size_t capacity) : capacity_(capacity) {}

  // nullptr: none. Valid until the next put() or erase().
  Value* find(std::string_view name) {
    const auto found = index_.find(name);
    if (found == index_.end()) {
      return nullptr;
    }
    entries_.splice(entries_.begin(), entries_, found->second);
    return &found->second->second;
  }

  void put(std::string_view name, Value value) {
    if (Value* known = find(name)) {
      *known = std::move(value);
      return;
    }
    if (entries_.size() >= capacity_) {
      index_.erase(entries_.back().first);
      entries_.pop_back();
    }
    entries_.emplace_front(std::string(name), std::move(value));
    index_.emplace(entries_.front().first, entries_.begin());
  }

  void erase(std::string_view name) {
    if (const auto found = index_.find(name); found != index_.end()) {
      const auto entry = found->second;  // its name is the index's key
      index_.erase(found);
      entries_.erase(entry);
    }
  }

  [[nodiscard]] std::size_t size() const { return entries_.size(); }
  // Name and value, the one used most recently first.
  [[nodiscard]] auto begin() const { return entries_.begin(); }
  [[nodiscard]] auto end() const { return entries_.end(); }

 private:
  using Entries = std::list<std::pair<const std::string, Value>>;

  const std::size_t capacity_;
  Entries entries_;  // most recently used first
  std::unordered_map<std::string_view, typename Entries::iterator> index_;
};

}  // namespace headgate::auth
