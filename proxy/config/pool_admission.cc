#include "config/pool_admission.h"

#include <fmt/format.h>

#include "config/scalars.h"

namespace headgate::config {
namespace {

using namespace std::chrono_literals;

constexpr unsigned kMostAtOnce = 100'000;

void check_bounds(Reader& reader, const std::string& path, const Admission& admission) {
  if (admission.most < admission.least) {
    reader.refuse(path + (reader.has(path + ".most") ? ".most" : ".least"),
                  fmt::format("most ({}) not below least ({})", admission.most, admission.least));
  }
}

}  // namespace

Type<Admission> admission_type() {
  return section<Admission>(
      {
          key("enabled", &Admission::enabled, boolean(),
              "false: every login goes to its backend at once, however many there are."),
          key("least", &Admission::least, number(1U, kMostAtOnce),
              "Logins at once that a backend gets however slow it is; where Headgate begins."),
          key("most", &Admission::most, number(1U, kMostAtOnce),
              "Logins at once that a backend gets however fast it is."),
          key("queue", &Admission::queue, number(0U, 1'000'000U),
              "Logins that may wait for one backend; further ones are refused. Each is one of "
              "login.max_sessions as well."),
          key("queue_timeout", &Admission::queue_timeout, duration(0ms, 10min),
              "How long a login waits at most; then it is refused. It is part of login_timeout, "
              "which bounds it."),
      },
      check_bounds);
}

void check_admission(Reader& reader, const std::string& path, const Pool& pool) {
  const std::string timeout = path + ".admission.queue_timeout";
  if (reader.has(timeout) && reader.good(timeout) &&
      pool.admission.queue_timeout > pool.login_timeout) {
    const auto print = duration(0ms, 10min).print;
    reader.refuse(timeout,
                  fmt::format("at most the pool's login_timeout ({}), found {}",
                              print(pool.login_timeout), print(pool.admission.queue_timeout)));
  }
}

}  // namespace headgate::config
