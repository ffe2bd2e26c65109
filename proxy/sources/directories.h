#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "metrics/source_figures.h"
#include "sources/directory_pool.h"

namespace headgate::sources {

// What the workers' sources share: the servers that hold the same users, in the order in which they
// are asked.
struct Directories {
  using Clock = DirectoryPool::Clock;

  // How long a server may say nothing to anybody until it is worse than another one.
  [[nodiscard]] std::chrono::milliseconds patience() const;
  // Where the user would go, without a password: asks one server after the other. Blocks. Any
  // thread but a worker's.
  auth::LookupResult explain(std::string_view user) const;
  // For the metrics page, of those that have a name; `source` is the name of the user source.
  void add_figures(const std::string& source, std::vector<metrics::LookupServerFigures>& all) const;

  std::chrono::milliseconds deadline{10000};  // of a look-up, whichever servers are asked
  // Until the next server is asked as well where one is late with an answer; 0: when it has had its
  // share of the deadline.
  std::chrono::milliseconds hedge_after{500};
  std::vector<std::unique_ptr<DirectoryPool>> servers;  // at least one
};

}  // namespace headgate::sources
