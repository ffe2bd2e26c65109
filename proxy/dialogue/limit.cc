#include "dialogue/limit.h"

namespace headgate::dialogue {

namespace {

struct Row {
  Limit limit;
  std::string_view name;
};
constexpr Row kRows[] = {
    {Limit::kLine, "line"},
    {Limit::kLiteral, "literal"},
    {Limit::kTotalBytes, "total_bytes"},
    {Limit::kFailures, "failures"},
    {Limit::kBadCommands, "bad_commands"},
    {Limit::kTime, "time"},
    {Limit::kSessions, "sessions"},
};
constexpr std::array kAll = {Limit::kLine,     Limit::kLiteral,     Limit::kTotalBytes,
                             Limit::kFailures, Limit::kBadCommands, Limit::kTime,
                             Limit::kSessions};

constexpr bool in_order() {
  for (std::size_t i = 0; i < kLimitCount; ++i) {
    if (static_cast<std::size_t>(kRows[i].limit) != i || static_cast<std::size_t>(kAll[i]) != i) {
      return false;
    }
  }
  return true;
}
static_assert(std::size(kRows) == kLimitCount && kAll.size() == kLimitCount);
static_assert(in_order(), "a limit is the index of its row");

}  // namespace

std::string_view name(Limit limit) {
  return kRows[static_cast<std::size_t>(limit)].name;
}

std::span<const Limit> all_limits() {
  return kAll;
}

}  // namespace headgate::dialogue
