#include "load/window.h"

#include <fstream>
#include <stdexcept>

#include "common/clock.h"

namespace headgate::bench {

void Window::run() {
  const auto ns = [](double seconds) {
    return static_cast<std::int64_t>(seconds * static_cast<double>(kNsPerSecond));
  };
  bench_.loop.run_for(ns(bench_.options.warm_up));
  begin();
  bench_.loop.run_for(ns(bench_.options.seconds));
  end();
}

void Window::begin() {
  tell_profiler("enable");
  open_ = true;
  own_cpu_ = own_cpu_seconds();
  proxy_cpu_ = bench_.meter.cpu_seconds();
  segments_ = tcp_segments();
  begun_at_ = now_ns();
}

void Window::end() {
  open_ = false;
  seconds_ = static_cast<double>(now_ns() - begun_at_) / static_cast<double>(kNsPerSecond);
  proxy_cpu_ = bench_.meter.cpu_seconds() - proxy_cpu_;
  own_cpu_ = own_cpu_seconds() - own_cpu_;
  segments_ = tcp_segments() - segments_;
  tell_profiler("disable");
}

void Window::tell_profiler(const char* command) const {
  if (bench_.options.profiler.empty()) {
    return;
  }
  std::ofstream fifo(bench_.options.profiler);
  if (!(fifo << command << std::endl)) {
    throw std::runtime_error(bench_.options.profiler + ": cannot be written to");
  }
}

void Window::report(Report& report) const {
  report.set("units", static_cast<double>(units_));
  report.set("seconds", seconds_);
  report.set("units_per_second", static_cast<double>(units_) / seconds_);
  report.set("own_cpu_share", own_cpu_ / seconds_);
  if (units_ == 0) {
    report.fail("nothing was done in the time that counts");
    return;
  }
  report.set("tcp_segments_per_unit", segments_ / static_cast<double>(units_));
  if (bytes_ > 0) {
    report.set("bytes", static_cast<double>(bytes_));
    report.set("mb_per_second", static_cast<double>(bytes_) / 1e6 / seconds_);
  }
  if (bench_.meter.enabled()) {
    report.set("proxy_cpu_share", proxy_cpu_ / seconds_);
    report.set("proxy_cpu_us_per_unit", proxy_cpu_ * 1e6 / static_cast<double>(units_));
    if (bytes_ > 0) {
      report.set("proxy_cpu_s_per_gb", proxy_cpu_ * 1e9 / static_cast<double>(bytes_));
    }
  }
}

}  // namespace headgate::bench
