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

// The pools of a line that begins a memory; nullopt: it is of a user.
std::optional<std::vector<std::string>> pools_in(std::string_view line) {
  const std::string_view word = cut_at(line, '\t');
  return word == kPools && !line.empty() ? std::optional(fields_of(line)) : std::nullopt;
}

bool same_pools(std::vector<std::string> some, std::vector<std::string> others) {
  std::ranges::sort(some);
  std::ranges::sort(others);
  return some == others;
}

// Which memory gets what stands behind a list of pools.
class Heirs {
 public:
  Heirs(std::string_view text, const PoolMemories& memories) : memories_(memories) {
    while (!text.empty()) {
      const auto pools = pools_in(cut_at(text, '\n'));
      if (PoolMemory* memory = pools ? of_same(*pools) : nullptr) {
        with_own_.push_back(memory);
      }
    }
  }

  // The one with these pools. Where none has them the list has been changed: then the one that has
  // most of them, of those for whom nothing else stands in the text. Null: nobody has one of them.
  [[nodiscard]] PoolMemory* of(const std::vector<std::string>& pools) const {
    PoolMemory* heir = of_same(pools);
    if (heir != nullptr) {
      return heir;
    }
    std::ptrdiff_t most = 0;
    for (const auto& memory : memories_) {
      const std::ptrdiff_t common = std::ranges::count_if(pools, [&](const std::string& pool) {
        return std::ranges::find(memory->pools(), pool) != memory->pools().end();
      });
      if (common > most && std::ranges::find(with_own_, memory.get()) == with_own_.end()) {
        most = common;
        heir = memory.get();
      }
    }
    return heir;
  }

 private:
  [[nodiscard]] PoolMemory* of_same(const std::vector<std::string>& pools) const {
    const auto found = std::ranges::find_if(
        memories_, [&](const auto& memory) { return same_pools(memory->pools(), pools); });
    return found != memories_.end() ? found->get() : nullptr;
  }

  const PoolMemories& memories_;
  std::vector<const PoolMemory*> with_own_;
};

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
  const Heirs heirs(text, memories);
  PoolMemory* memory = nullptr;
  while (!text.empty()) {
    const bool whole = text.contains('\n');  // a line that was cut short may be another name
    const std::string_view line = cut_at(text, '\n');
    if (const auto pools = pools_in(line)) {
      memory = heirs.of(*pools);
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
