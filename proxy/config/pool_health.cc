#include "config/pool_health.h"

#include <fmt/format.h>

#include "config/scalars.h"

namespace headgate::config {
namespace {

using namespace std::chrono_literals;

const Choices<CheckLevel> kCheckLevels = {{"connect", CheckLevel::kConnect},
                                          {"greeting", CheckLevel::kGreeting},
                                          {"login", CheckLevel::kLogin},
                                          {"mailbox", CheckLevel::kMailbox}};

std::vector<Key<Health>> check_keys() {
  return {
      key("level", &Health::level, choice(kCheckLevels),
          "How far a check goes. connect: TCP, and TLS where tls is implicit. greeting: also the "
          "greeting, and TLS where tls is starttls. login: also a login with the test account. "
          "mailbox: also SELECT INBOX, FETCH of a header of its last message, and NOOP."),
      key("user", &Health::user, text("a user name"),
          "The test account of levels login and mailbox; the same at every backend.",
          {.example = "probe@example.org"}),
      key("password", &Health::password, secret(),
          "Its password; either this or password_file. In a pool with a master user neither is "
          "needed: the master user logs in on behalf of the account.",
          {.secret = true, .example = "secret"}),
      key("password_file", &Health::password, secret_file(),
          "File whose first line is the password.", {.secret = true, .example = "probe.password"}),
      key("interval", &Health::interval, duration(100ms, 1h),
          "Time between the beginnings of two checks of a backend, spread by 10 % either way."),
      key("failed_interval", &Health::failed_interval, duration(100ms, 1h),
          "The same after a check that failed."),
      key("timeout", &Health::timeout, duration(50ms, 5min),
          "How long a check may take, from the connect to the last reply; then it has failed."),
      key("rise", &Health::rise, number(1U, 100U),
          "Checks passed in a row that bring a backend back."),
      key("fall", &Health::fall, number(1U, 100U),
          "Checks failed in a row that take a backend out. The very first check of a backend "
          "decides by itself."),
  };
}

Type<Slow> slow_type() {
  return section<Slow>({
      key("multiple", &Slow::multiple, number(2U, 100U),
          "A backend is slow when the 95th percentile of its login times is above this many times "
          "the median of that of the pool's other backends."),
      key("above", &Slow::above, duration(1ms, 60s), "And above this time."),
      key("window", &Slow::window, duration(1s, 1h), "Logins of this time are looked at."),
      key("least_logins", &Slow::least_logins, number(1U, 1'000'000U),
          "With fewer in the window nothing is said of a backend."),
      key("most_share", &Slow::most_share, percentage(),
          "The share of the pool's weight that may be away at once for slowness, the weight of "
          "backends that are down included."),
  });
}

std::vector<Key<Health>> consequence_keys() {
  return {
      key("slow_start", &Health::slow_start, duration(0ms, 24h),
          "How long a backend that is back takes to get its whole weight, in ten steps. 0ms: has "
          "it at once."),
      key("panic_below", &Health::panic_below, percentage(),
          "When the backends that pass their checks have less than this share of the pool's "
          "weight, the checks are not believed: all count as up, and only failed logins decide. "
          "0%: checks are always believed."),
      key("end_sessions_over", &Health::end_sessions_over, duration(0ms, 24h),
          "When checks take a backend out, its sessions end at random moments within this time, so "
          "that their clients do not all come back in one second. 0ms: they go on until their "
          "user's next login."),
      key("slow", &Health::slow, slow_type(),
          "Takes weight from backends that let users in much more slowly than the others, and "
          "gives "
          "it back as they get well. Not set: slow backends keep their weight."),
  };
}

}  // namespace

Type<Health> health_type() {
  std::vector<Key<Health>> keys = check_keys();
  for (Key<Health>& each : consequence_keys()) {
    keys.push_back(std::move(each));
  }
  return section<Health>(std::move(keys));
}

void check_health(Reader& reader, const Pool& pool) {
  if (!pool.health) {
    return;
  }
  const std::string path = fmt::format("pools.{}.health", pool.name);
  if (reader.has(path + ".level") && !reader.good(path + ".level")) {
    return;
  }
  const bool password = reader.has(path + ".password");
  const bool password_file = reader.has(path + ".password_file");
  if (password && password_file) {
    reader.refuse(path + ".password_file", "either password or password_file");
  }
  const bool logs_in = pool.health->level >= CheckLevel::kLogin;
  if (logs_in != reader.has(path + ".user")) {
    reader.refuse(path + ".user",
                  logs_in ? fmt::format("the test account that level {} logs in with, found none",
                                        name(pool.health->level))
                          : fmt::format("no user with level {}, which does not log in",
                                        name(pool.health->level)));
  } else if (logs_in && !password && !password_file && !pool.master) {
    reader.refuse(path + ".user",
                  "a password or password_file beside it, in a pool without a master user");
  } else if (!logs_in && (password || password_file)) {
    reader.refuse(
        path + (password ? ".password" : ".password_file"),
        fmt::format("no password with level {}, which does not log in", name(pool.health->level)));
  }
}

std::string_view name(CheckLevel level) {
  for (const auto& [word, meaning] : kCheckLevels) {
    if (meaning == level) {
      return word;
    }
  }
  return "";
}

}  // namespace headgate::config
