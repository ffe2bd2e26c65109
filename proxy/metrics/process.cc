#include "metrics/process.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#include <array>
#include <charconv>
#include <ctime>
#include <string>
#include <string_view>

#include "base/unique_fd.h"

namespace headgate::metrics {
namespace {

// A file of /proc: small, and whole in one read.
std::string read_small_file(const char* path) {
  const UniqueFd fd(::open(path, O_RDONLY | O_CLOEXEC));
  std::array<char, 4096> bytes{};
  const ssize_t length = fd ? ::read(fd.get(), bytes.data(), bytes.size()) : 0;
  return length > 0 ? std::string(bytes.data(), static_cast<std::size_t>(length)) : std::string();
}

// The n-th word from 0 as a number; 0 if there is none.
std::uint64_t number_at(std::string_view text, unsigned n) {
  for (; n > 0; --n) {
    const std::size_t space = text.find(' ');
    if (space == std::string_view::npos) {
      return 0;
    }
    text.remove_prefix(space + 1);
  }
  std::uint64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

// Since Linux 6.2 the directory's size says it (Documentation/filesystems/proc.rst). Where that is
// 0 it has to be read through, and the kernel makes an entry for each descriptor: 8 ms of a scrape
// with 9,000 sessions.
std::uint64_t count_open_fds() {
  struct stat directory_itself{};
  if (::stat("/proc/self/fd", &directory_itself) == 0 && directory_itself.st_size > 0) {
    return static_cast<std::uint64_t>(directory_itself.st_size);
  }
  DIR* directory = ::opendir("/proc/self/fd");
  if (directory == nullptr) {
    return 0;
  }
  std::uint64_t count = 0;
  while (const dirent* entry = ::readdir(directory)) {
    count += entry->d_name[0] != '.' ? 1 : 0;
  }
  ::closedir(directory);
  return count > 0 ? count - 1 : 0;  // the directory's own
}

double seconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

// proc(5): field 22 of stat is the start in clock ticks since boot; the command in field 2 may hold
// spaces and brackets, so counting begins behind the last ')'.
double read_start_time() {
  const std::string stat = read_small_file("/proc/self/stat");
  const std::size_t bracket = stat.rfind(") ");
  if (bracket == std::string::npos) {
    return 0;
  }
  const std::uint64_t ticks = number_at(std::string_view(stat).substr(bracket + 2), 22 - 3);
  timespec now{};
  timespec since_boot{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  ::clock_gettime(CLOCK_BOOTTIME, &since_boot);
  const double booted = static_cast<double>(now.tv_sec - since_boot.tv_sec) +
                        static_cast<double>(now.tv_nsec - since_boot.tv_nsec) / 1e9;
  return booted + static_cast<double>(ticks) / static_cast<double>(::sysconf(_SC_CLK_TCK));
}

}  // namespace

ProcessFigures read_process_figures() {
  // Computed once: a clock that is set later must not move it.
  static const double start_time = read_start_time();
  ProcessFigures figures;
  figures.start_time = start_time;
  rusage usage{};
  if (::getrusage(RUSAGE_SELF, &usage) == 0) {
    figures.cpu_seconds = seconds(usage.ru_utime) + seconds(usage.ru_stime);
  }
  figures.resident_bytes = number_at(read_small_file("/proc/self/statm"), 1) *
                           static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  figures.open_fds = count_open_fds();
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    figures.max_fds = limit.rlim_cur;
  }
  return figures;
}

}  // namespace headgate::metrics
