#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string_view>

#include "auth/pool_memory_text.h"

// The file of who lives in which pool: any bytes are restored as far as they make sense, and what
// is written of that is restored whole.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace headgate::auth;
  const auto make = [](std::vector<std::string> pools) {
    return std::make_shared<PoolMemory>(
        PoolChain{.pools = std::move(pools), .remember = std::chrono::hours(1), .entries = 64});
  };
  const std::chrono::system_clock::time_point now{std::chrono::seconds(1'700'000'000)};
  const PoolMemories memories = {make({"old", "new", "newest"}), make({"x", "y"})};
  const auto restored = restore_pool_memories(
      std::string_view(reinterpret_cast<const char*>(data), size), memories, now);
  if (!restored) {
    return 0;
  }
  const std::size_t users = memories[0]->size() + memories[1]->size();
  const PoolMemories again = {make({"x", "y"}), make({"new", "old", "newest"})};
  // A time to live is cut to whole seconds: what has less than one left is not written.
  const auto second = restore_pool_memories(pool_memory_text(memories, now), again, now);
  if (users > restored->users || !second || second->users + second->left_out > users) {
    std::abort();
  }
  return 0;
}
