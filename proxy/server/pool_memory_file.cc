#include "server/pool_memory_file.h"

#include <condition_variable>
#include <mutex>
#include <utility>

#include "base/log.h"
#include "base/thread_name.h"
#include "server/state_file.h"

namespace headgate::server {
namespace {

std::uint64_t changes_of(const auth::PoolMemories& memories) {
  std::uint64_t changes = 0;
  for (const auto& memory : memories) {
    changes += memory->changes();
  }
  return changes;
}

}  // namespace

void PoolMemoryFile::begin(std::chrono::milliseconds pace) {
  restore();
  writer_ = std::jthread([this, pace](const std::stop_token& stop) { run(stop, pace); });
}

void PoolMemoryFile::restore() {
  const Kept kept = kept_();
  if (kept.state_file.empty() || kept.memories.empty()) {
    return;
  }
  const std::string file = path(kept.state_file);
  const auto text = read_state(file);
  if (text && !*text) {
    return;
  }
  const auto restored =
      text ? auth::restore_pool_memories(**text, kept.memories, std::chrono::system_clock::now())
           : std::unexpected(text.error());
  seen_ = kept.memories;
  last_ = changes_of(seen_);
  if (!restored) {
    log::warning("pool memory not restored", {{"file", file}, {"error", restored.error()}});
    return;
  }
  log::info("pool memory restored", {{"file", file},
                                     {"users", static_cast<std::uint64_t>(restored->users)},
                                     {"left_out", static_cast<std::uint64_t>(restored->left_out)}});
}

void PoolMemoryFile::write_if_changed() {
  Kept kept = kept_();
  if (kept.state_file.empty() || kept.memories.empty()) {
    return;
  }
  const std::uint64_t changes = changes_of(kept.memories);
  if (kept.memories == seen_ && changes == last_) {
    return;
  }
  const std::string text = auth::pool_memory_text(kept.memories, std::chrono::system_clock::now());
  const std::string file = path(kept.state_file);
  if (const auto done = write_state(file, text); !done) {
    failed_.fetch_add(1, std::memory_order_relaxed);
    log::warning("pool memory not written", {{"error", done.error()}});
    return;
  }
  written_.fetch_add(1, std::memory_order_relaxed);
  log::debug("pool memory written",
             {{"file", file}, {"bytes", static_cast<std::uint64_t>(text.size())}});
  seen_ = std::move(kept.memories);
  last_ = changes;
}

void PoolMemoryFile::run(const std::stop_token& stop, std::chrono::milliseconds pace) {
  name_this_thread("pool memory");
  std::mutex mutex;
  std::condition_variable_any never;
  std::unique_lock lock(mutex);
  for (bool last = false; !last;) {
    never.wait_for(lock, stop, pace, [] { return false; });
    last = stop.stop_requested();  // before it looks: what comes while it writes is written as well
    write_if_changed();
  }
}

void PoolMemoryFile::end() {
  if (writer_.joinable()) {
    writer_.request_stop();
    writer_.join();
  }
}

}  // namespace headgate::server
