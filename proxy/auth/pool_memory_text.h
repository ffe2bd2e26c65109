#pragma once

#include <chrono>
#include <cstddef>
#include <expected>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "auth/pool_memory.h"

// What pool memories know, as the text of a file that survives a restart: a first line with the
// format's name, a line for each memory with its pools, and behind it a line for each user with the
// Unix time until which it counts, the pool and the name, tabs between them.
//
// Names stand there in the clear. The key of a hash would have to lie beside the file, or the next
// start could not use it, and with the key a list of names is found out in seconds; a hash would
// look like a protection and be none. The file is for its owner alone, as the state file is, which
// names users as well.
namespace headgate::auth {

using PoolMemories = std::vector<std::shared_ptr<PoolMemory>>;

// At most about this many bytes, whatever there is: those used last are kept.
inline constexpr std::size_t kLargestPoolMemoryText = std::size_t{32} << 20;

std::string pool_memory_text(const PoolMemories& memories,
                             std::chrono::system_clock::time_point now);

struct PoolMemoryRestored {
  std::size_t users = 0;
  std::size_t left_out = 0;  // over, of pools that are no more, or lines that make no sense
};
// Each memory gets what stands behind the line with its own pools, in whatever order. What stands
// behind a list that no memory has goes to the one with most of these pools, among those without a
// line of their own: users of the pools that remain are remembered, by the pools' names. The error
// says that it is no such text at all.
std::expected<PoolMemoryRestored, std::string> restore_pool_memories(
    std::string_view text, const PoolMemories& memories, std::chrono::system_clock::time_point now);

}  // namespace headgate::auth
