#include "base/whole_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace headgate {

std::string error_text(int error) {
  char buffer[128];
  return ::strerror_r(error, buffer, sizeof buffer);
}

std::expected<RegularFile, std::string> open_regular(const std::string& path) {
  // O_NONBLOCK: a FIFO in the file's place must not hang the open.
  RegularFile file{UniqueFd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)), {}};
  if (!file.fd) {
    return std::unexpected(error_text(errno));
  }
  if (::fstat(file.fd.get(), &file.status) != 0 || !S_ISREG(file.status.st_mode)) {
    return std::unexpected("expected a regular file");
  }
  return file;
}

std::expected<Secret, std::string> read_whole(int fd, std::size_t largest) {
  Secret text;
  char chunk[65536];
  for (;;) {
    const ssize_t length = ::read(fd, chunk, sizeof chunk);
    if (length > 0) {
      text.append({chunk, static_cast<std::size_t>(length)});
      if (text.size() <= largest) {
        continue;
      }
    }
    const int error = errno;
    wipe(chunk, sizeof chunk);
    if (length == 0) {
      return text;
    }
    if (length > 0) {
      return std::unexpected(fmt::format("expected at most {} bytes", largest));
    }
    if (error != EINTR) {
      return std::unexpected(error_text(error));
    }
  }
}

}  // namespace headgate
