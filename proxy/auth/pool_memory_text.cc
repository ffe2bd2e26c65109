#include "auth/pool_memory_text.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <optional>

namespace headgate::auth {
namespace {

using std::chrono::seconds;
using Time = std::chrono::system_clock::time_point;

constexpr std::string_view kFirstLine = "headgate pool memory 1";
constexpr std::string_view kPools = "pools";

std::int64_t unix_seconds(Time at) {
  return std::chrono::duration_cast<seconds>(at.time_since_epoch()).count();
}

bool is_one_field(std::string_view text) {
  return !text.empty() &&
         std::ranges::none_of(text, [](char c) { return static_cast<unsigned char>(c) < 0x20; });
}

// What stands before `end`, cut off `rest` with it.
std::string_view cut_at(std::string_view& rest, char end) {
  const std::size_t at = std::min(rest.find(end), rest.size());
  const std::string_view taken = rest.substr(0, at);
  rest.remove_prefix(std::min(at + 1, rest.size()));
  return taken;
}

std::vector<std::string> fields_of(std::string_view line) {
  std::vector<std::string> fields;
  while (!line.empty()) {
    fields.emplace_back(cut_at(line, '\t'));
  }
  return fields;
}

PoolMemory* memory_of(const PoolMemories& memories, std::vector<std::string> pools) {
  std::ranges::sort(pools);
  for (const auto& memory : memories) {
    std::vector<std::string> own = memory->pools();
    std::ranges::sort(own);
    if (own == pools) {
      return memory.get();
    }
  }
  return nullptr;
}

// nullopt: the line makes no sense, or counts no more.
std::optional<PoolMemory::Remembered> read_user(std::string_view line, const PoolMemory& memory,
                                                std::int64_t now) {
  const std::string_view time = cut_at(line, '\t');
  const std::string_view pool = cut_at(line, '\t');
  std::int64_t expires = 0;
  const auto [end, error] = std::from_chars(time.data(), time.data() + time.size(), expires);
  const auto found = std::ranges::find(memory.pools(), pool);
  constexpr std::int64_t kMost = std::int64_t{1} << 40;
  if (error != std::errc() || end != time.data() + time.size() || expires <= now ||
      expires > kMost || found == memory.pools().end() || found == memory.pools().begin() ||
      !is_one_field(line) || line.size() > PoolMemory::kLongestName) {
    return std::nullopt;
  }
  return PoolMemory::Remembered{.user = std::string(line),
                                .pool = static_cast<std::size_t>(found - memory.pools().begin()),
                                .left = seconds(expires - now)};
}

}  // namespace

std::string pool_memory_text(const PoolMemories& memories, Time now) {
  std::string text = fmt::format("{}\n", kFirstLine);
  for (const auto& memory : memories) {
    text += fmt::format("{}\t{}\n", kPools, fmt::join(memory->pools(), "\t"));
    for (const auto& known : memory->remembered(kLargestPoolMemoryText / memories.size())) {
      if (text.size() + known.user.size() + PoolMemory::kBesideName > kLargestPoolMemoryText) {
        return text;
      }
      if (is_one_field(known.user)) {
        text += fmt::format("{}\t{}\t{}\n", unix_seconds(now) + known.left.count(),
                            memory->pools()[known.pool], known.user);
      }
    }
  }
  return text;
}

std::expected<PoolMemoryRestored, std::string> restore_pool_memories(std::string_view text,
                                                                     const PoolMemories& memories,
                                                                     Time now) {
  if (cut_at(text, '\n') != kFirstLine) {
    return std::unexpected(fmt::format("expected '{}' in the first line", kFirstLine));
  }
  PoolMemoryRestored restored;
  PoolMemory* memory = nullptr;
  while (!text.empty()) {
    const bool whole = text.contains('\n');  // a line that was cut short may be another name
    const std::string_view line = cut_at(text, '\n');
    if (line.starts_with(kPools) && line.substr(kPools.size()).starts_with('\t')) {
      memory = memory_of(memories, fields_of(line.substr(kPools.size() + 1)));
      continue;
    }
    const auto known =
        memory != nullptr && whole ? read_user(line, *memory, unix_seconds(now)) : std::nullopt;
    if (known) {
      memory->restore(*known);
    }
    ++(known ? restored.users : restored.left_out);
  }
  return restored;
}

}  // namespace headgate::auth
