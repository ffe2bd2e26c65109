#pragma once

#include <sys/stat.h>

#include <cstddef>
#include <expected>
#include <string>

#include "base/secret.h"
#include "base/unique_fd.h"

namespace headgate {

// "No such file or directory" for ENOENT.
std::string error_text(int error);

struct RegularFile {
  UniqueFd fd;
  struct stat status;
};
// Open for reading. The error is without the path. Blocks on the disk alone: a FIFO is refused.
std::expected<RegularFile, std::string> open_regular(const std::string& path);

// What is left of the file, which may hold secrets; an error without its path when that is more
// than `largest` bytes or cannot be read. Blocks.
std::expected<Secret, std::string> read_whole(int fd, std::size_t largest);

}  // namespace headgate
