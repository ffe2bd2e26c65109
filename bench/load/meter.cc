#include "load/meter.h"

#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <sstream>
#include <stdexcept>

namespace headgate::bench {
namespace {

namespace fs = std::filesystem;

std::string read_file(const std::string& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

// The number behind `key` in lines "key number".
double value_of(const std::string& text, const std::string& key) {
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with(key)) {
      return std::stod(line.substr(key.size()));
    }
  }
  return 0;
}

// The fields of /proc/PID/stat behind the name, which may hold spaces: [0] is the state.
std::vector<std::string> stat_fields(const std::string& pid) {
  const std::string text = read_file("/proc/" + pid + "/stat");
  const std::size_t name_end = text.rfind(')');
  std::vector<std::string> fields;
  if (name_end != std::string::npos) {
    std::istringstream words(text.substr(name_end + 1));
    for (std::string word; words >> word;) {
      fields.push_back(word);
    }
  }
  return fields;
}

constexpr std::size_t kParent = 1;
constexpr std::size_t kUserTicks = 11;  // then system, user and system of children waited for

std::vector<std::string> tree_of(const std::string& root) {
  std::multimap<std::string, std::string> children;
  for (const auto& entry : fs::directory_iterator("/proc")) {
    const std::string pid = entry.path().filename();
    if (std::isdigit(static_cast<unsigned char>(pid.front())) != 0) {
      const auto fields = stat_fields(pid);
      if (fields.size() > kParent) {
        children.emplace(fields[kParent], pid);
      }
    }
  }
  std::vector<std::string> found{root};
  for (std::size_t i = 0; i < found.size(); ++i) {
    const auto [first, last] = children.equal_range(found[i]);
    for (auto child = first; child != last; ++child) {
      found.push_back(child->second);
    }
  }
  return found;
}

double ticks_of(const std::string& pid) {
  const auto fields = stat_fields(pid);
  double ticks = 0;
  for (std::size_t i = kUserTicks; i < kUserTicks + 4 && i < fields.size(); ++i) {
    ticks += std::stod(fields[i]);
  }
  return ticks;
}

}  // namespace

Meter::Meter(const Options& options) : kernel_memory_(options.kernel_memory) {
  if (options.meter.empty()) {
    return;
  }
  const std::size_t colon = options.meter.find(':');
  const std::string kind = options.meter.substr(0, colon);
  place_ = colon == std::string::npos ? std::string() : options.meter.substr(colon + 1);
  if (kind == "tree") {
    kind_ = Kind::kTree;
  } else if (kind == "cgroup" && fs::exists(place_ + "/cpuacct.usage")) {
    kind_ = Kind::kCgroup1;
  } else if (kind == "cgroup" && fs::exists(place_ + "/cpu.stat")) {
    kind_ = Kind::kCgroup2;
  } else {
    throw std::invalid_argument(
        fmt::format("--meter: expected cgroup:DIRECTORY or tree:PID, found '{}'", options.meter));
  }
}

double Meter::cpu_seconds() const {
  switch (kind_) {
    case Kind::kNone:
      return 0;
    case Kind::kCgroup1:
      return std::stod(read_file(place_ + "/cpuacct.usage")) / 1e9;
    case Kind::kCgroup2:
      return value_of(read_file(place_ + "/cpu.stat"), "usage_usec ") / 1e6;
    case Kind::kTree:
      break;
  }
  double ticks = 0;
  for (const std::string& pid : processes()) {
    ticks += ticks_of(pid);
  }
  return ticks / static_cast<double>(sysconf(_SC_CLK_TCK));
}

std::vector<std::string> Meter::processes() const {
  if (kind_ == Kind::kTree) {
    return tree_of(place_);
  }
  std::vector<std::string> pids;
  std::istringstream lines(read_file(place_ + "/cgroup.procs"));
  for (std::string line; std::getline(lines, line);) {
    pids.push_back(line);
  }
  return pids;
}

double Meter::pss_bytes() const {
  double kib = 0;
  for (const std::string& pid : processes()) {
    kib += value_of(read_file("/proc/" + pid + "/smaps_rollup"), "Pss:");
  }
  return kib * 1024;
}

std::optional<double> Meter::kernel_bytes() const {
  if (kernel_memory_.empty()) {
    return std::nullopt;
  }
  double bytes = 0;
  for (const char* const file :
       {"/memory.kmem.usage_in_bytes", "/memory.kmem.tcp.usage_in_bytes"}) {
    const std::string text = read_file(kernel_memory_ + file);
    if (text.empty()) {
      return std::nullopt;
    }
    bytes += std::stod(text);
  }
  return bytes;
}

double tcp_segments() {
  // Two lines begin with "Tcp:": one with names, one with numbers in the same order.
  std::istringstream lines(read_file("/proc/net/snmp"));
  std::vector<std::vector<std::string>> tcp;
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("Tcp: ")) {
      std::istringstream words(line);
      tcp.emplace_back(std::istream_iterator<std::string>(words),
                       std::istream_iterator<std::string>());
    }
  }
  if (tcp.size() != 2) {
    throw std::runtime_error("/proc/net/snmp: no counts of TCP");
  }
  const auto name = std::find(tcp[0].begin(), tcp[0].end(), "OutSegs");
  return std::stod(tcp[1].at(static_cast<std::size_t>(name - tcp[0].begin())));
}

double own_cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

}  // namespace headgate::bench
