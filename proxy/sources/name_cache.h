#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/address.h"
#include "net/loop.h"

namespace headgate::sources {

// Addresses of host names that answers of lookup servers bring, for backends that stand in no pool.
// The resolver runs on the thread pool, once for all who wait for the same name. One object per
// worker.
class NameCache {
 public:
  static constexpr std::uint64_t kKeptMs = 30'000;
  static constexpr std::size_t kMostNames = 4096;
  // Empty: it does not resolve.
  using Callback = std::function<void(const std::vector<Endpoint>&)>;

  explicit NameCache(net::Loop& loop) : loop_(loop) {}
  NameCache(const NameCache&) = delete;
  NameCache& operator=(const NameCache&) = delete;

  // `done` is called once, perhaps before this returns; never when the cache has gone.
  void find(const HostPort& host, Callback done);

 private:
  struct Entry {
    std::vector<Endpoint> endpoints;
    std::uint64_t until_ms = 0;  // 0: on its way
    std::vector<Callback> waiting;
  };
  void make_room();
  void on_resolved(const std::string& name, std::vector<Endpoint> endpoints);

  net::Loop& loop_;
  std::map<std::string, Entry> entries_;  // by "HOST:PORT"
  std::shared_ptr<const bool> alive_ = std::make_shared<const bool>(true);
};

}  // namespace headgate::sources
