#include "server/state_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>

#include "base/unique_fd.h"

namespace headgate::server {
namespace {

constexpr std::size_t kLargestFile = 64UL * 1024 * 1024;

std::unexpected<std::string> failed(const std::string& path) {
  return std::unexpected(path + ": " + std::strerror(errno));
}

bool write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t count = ::write(fd, text.data(), text.size());
    if (count < 0 && errno != EINTR) {
      return false;
    }
    text.remove_prefix(static_cast<std::size_t>(std::max<ssize_t>(count, 0)));
  }
  return true;
}

// A name that was renamed is safe only once its folder is on the disk.
bool sync_folder(const std::string& path) {
  const std::string folder = std::filesystem::path(path).parent_path();
  const UniqueFd fd(
      ::open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  return fd && ::fsync(fd.get()) == 0;
}

}  // namespace

std::expected<void, std::string> write_state(const std::string& path, std::string_view text) {
  const std::string fresh = path + ".new";
  UniqueFd fd(::open(fresh.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!fd || !write_all(fd.get(), text) || ::fsync(fd.get()) != 0) {
    return failed(fresh);
  }
  fd = UniqueFd();
  if (std::rename(fresh.c_str(), path.c_str()) != 0 || !sync_folder(path)) {
    return failed(path);
  }
  return {};
}

std::expected<std::optional<std::string>, std::string> read_state(const std::string& path) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd) {
    if (errno == ENOENT) {
      return std::nullopt;
    }
    return failed(path);
  }
  std::string text;
  std::array<char, 65536> chunk;  // NOLINT(cppcoreguidelines-pro-type-member-init): read into
  for (;;) {
    const ssize_t count = ::read(fd.get(), chunk.data(), chunk.size());
    if (count < 0 && errno != EINTR) {
      return failed(path);
    }
    if (count == 0) {
      return text;
    }
    text.append(chunk.data(), static_cast<std::size_t>(std::max<ssize_t>(count, 0)));
    if (text.size() > kLargestFile) {
      return std::unexpected(path + ": too large for a state file");
    }
  }
}

}  // namespace headgate::server
