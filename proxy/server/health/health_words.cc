#include "server/health/health_words.h"

#include <fmt/format.h>

#include <iterator>

#include "base/printable.h"
#include "config/scalars.h"

namespace headgate::server {
namespace {

std::string words(config::milliseconds time) {
  using namespace std::chrono_literals;
  return config::duration(0ms, 24h).print(time);
}

}  // namespace

std::string health_in_words(const config::Pool& pool) {
  if (!pool.health) {
    return {};
  }
  const config::Health& health = *pool.health;
  std::string text = fmt::format("level {}", config::name(health.level));
  auto out = std::back_inserter(text);
  if (!health.user.empty()) {
    fmt::format_to(out, " as {}", printable(health.user));
  }
  fmt::format_to(out, " every {}, {} after a failure; out after {} failed, back after {} passed",
                 words(health.interval), words(health.failed_interval), health.fall, health.rise);
  if (health.slow_start.count() > 0) {
    fmt::format_to(out, ", with all its weight {} later", words(health.slow_start));
  }
  return text;
}

}  // namespace headgate::server
