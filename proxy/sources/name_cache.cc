#include "sources/name_cache.h"

#include <utility>

#include "net/socket.h"

namespace headgate::sources {

void NameCache::find(const HostPort& host, Callback done) {
  if (const auto literal = Endpoint::parse(host.to_string())) {
    done({*literal});
    return;
  }
  const std::string name = host.to_string();
  if (const auto known = entries_.find(name); known != entries_.end()) {
    Entry& entry = known->second;
    if (entry.until_ms == 0) {
      entry.waiting.push_back(std::move(done));
      return;
    }
    if (loop_.now_ms() < entry.until_ms) {
      const std::vector<Endpoint> endpoints = entry.endpoints;
      done(endpoints);
      return;
    }
  }
  make_room();
  Entry& entry = entries_[name];
  entry.until_ms = 0;
  entry.waiting.push_back(std::move(done));
  auto found = std::make_shared<std::vector<Endpoint>>();
  net::run_blocking(
      loop_,
      [host, found] {
        if (auto endpoints = net::resolve(host)) {
          *found = *std::move(endpoints);
        }
      },
      [this, alive = std::weak_ptr(alive_), name, found] {
        if (!alive.expired()) {
          on_resolved(name, std::move(*found));
        }
      });
}

void NameCache::on_resolved(const std::string& name, std::vector<Endpoint> endpoints) {
  Entry& entry = entries_[name];
  entry.until_ms = loop_.now_ms() + kKeptMs;
  entry.endpoints = endpoints;
  for (const Callback& done : std::exchange(entry.waiting, {})) {
    done(endpoints);
  }
}

// What is on its way stays: somebody waits for it.
void NameCache::make_room() {
  if (entries_.size() >= kMostNames) {
    std::erase_if(entries_, [](const auto& entry) { return entry.second.until_ms != 0; });
  }
}

}  // namespace headgate::sources
