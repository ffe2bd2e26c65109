#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "base/printable.h"
#include "base/unique_fd.h"
#include "config/map_file.h"
#include "config/scalars.h"

// The kinds of values that name a file.
namespace headgate::config {
namespace {

constexpr std::size_t kMaxPath = 4095;
constexpr std::size_t kMaxPassword = 1023;

// Opens a regular file; the error is what the system says, or that it is no file. Never waits, not
// even for a pipe.
std::expected<UniqueFd, std::string> open_file(const std::string& path) {
  UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat status{};
  if (!fd || ::fstat(fd.get(), &status) != 0) {
    return std::unexpected(std::string(std::strerror(errno)));
  }
  if (!S_ISREG(status.st_mode)) {
    return std::unexpected(std::string("it is no regular file"));
  }
  return fd;
}

// Resolves the path of a value; nullopt, reported, when it cannot be one.
std::optional<std::string> read_path(Reader& reader, const Value& value,
                                     const std::string& expected) {
  if (!reader.enter(value)) {
    return std::nullopt;
  }
  if (!value.node.IsScalar() || value.node.Scalar().empty() ||
      value.node.Scalar().size() > kMaxPath ||
      value.node.Scalar().find('\0') != std::string::npos) {
    reader.expected(value, expected);
    return std::nullopt;
  }
  return reader.resolve(value.node.Scalar());
}

std::optional<UniqueFd> open_value(Reader& reader, const Value& value, const std::string& path,
                                   const std::string& expected) {
  auto fd = open_file(path);
  if (!fd) {
    reader.expected(value, expected, "'" + printable(path) + "': " + fd.error());
    return std::nullopt;
  }
  return std::move(*fd);
}

// The error is what the system says, or that there is more than `most` bytes.
std::expected<std::string, std::string> read_whole(int fd, std::size_t most) {
  std::string text;
  std::array<char, 65536> part;
  for (;;) {
    const ssize_t count = ::read(fd, part.data(), part.size());
    if (count == 0) {
      return text;
    }
    if (count < 0 && errno != EINTR) {
      return std::unexpected(std::string(std::strerror(errno)));
    }
    text.append(part.data(), static_cast<std::size_t>(std::max<ssize_t>(count, 0)));
    if (text.size() > most) {
      return std::unexpected(std::string("more"));
    }
  }
}

bool read_first_line(int fd, Secret& out) {
  std::array<char, kMaxPassword + 2> buffer;
  const ssize_t count = ::read(fd, buffer.data(), buffer.size());
  bool good = count > 0;
  if (good) {
    std::string_view line(buffer.data(), static_cast<std::size_t>(count));
    line = line.substr(0, line.find('\n'));
    if (line.ends_with('\r')) {
      line.remove_suffix(1);
    }
    good = !line.empty() && line.size() <= kMaxPassword && line.find('\0') == line.npos;
    if (good) {
      out = Secret(line);
    }
  }
  wipe(buffer.data(), buffer.size());
  return good;
}

}  // namespace

Type<std::string> file(std::string_view what) {
  std::string expected(what);
  auto read = [expected](Reader& reader, const Value& value, std::string& out) {
    auto path = read_path(reader, value, expected);
    if (!path || (reader.checks_files() && !open_value(reader, value, *path, expected))) {
      return false;
    }
    out = std::move(*path);
    return true;
  };
  return {{Shape::kScalar, expected, R"("type": "string", "minLength": 1)", nullptr, {}},
          std::move(read),
          [](const std::string& path) { return path.empty() ? "" : yaml_text(path); }};
}

Type<std::string> file_to_write(std::string_view what) {
  std::string expected(what);
  auto read = [expected](Reader& reader, const Value& value, std::string& out) {
    auto path = read_path(reader, value, expected);
    if (!path) {
      return false;
    }
    const std::string folder = std::filesystem::path(*path).parent_path();
    if (reader.checks_files() &&
        ::access(folder.empty() ? "." : folder.c_str(), W_OK | X_OK) != 0) {
      reader.expected(value, expected, "'" + printable(folder) + "': " + std::strerror(errno));
      return false;
    }
    out = std::move(*path);
    return true;
  };
  return {{Shape::kScalar, expected, R"("type": "string", "minLength": 1)", nullptr, {}},
          std::move(read),
          [](const std::string& path) { return path.empty() ? "" : yaml_text(path); }};
}

Type<MapFile> map_file() {
  const std::string expected =
      fmt::format("a file of rules, of at most {} MiB", kLargestMapFile >> 20);
  auto read = [expected](Reader& reader, const Value& value, MapFile& out) {
    auto path = read_path(reader, value, expected);
    if (!path || !reader.checks_files()) {
      out.path = path.value_or("");
      return path.has_value();
    }
    const auto fd = open_value(reader, value, *path, expected);
    if (!fd) {
      return false;
    }
    const auto text = read_whole(fd->get(), kLargestMapFile);
    if (!text) {
      reader.expected(value, expected, text.error());
      return false;
    }
    auto rules = parse_map_file(*text);
    if (!rules) {
      for (MapFileError& error : rules.error()) {
        reader.refuse_in(*path, error.line, std::move(error.expected));
      }
      return false;
    }
    out = {std::move(*path), *std::move(rules)};
    return true;
  };
  return {{Shape::kScalar, expected, R"("type": "string", "minLength": 1)", nullptr, {}},
          std::move(read),
          [](const MapFile& file) { return file.path.empty() ? "" : yaml_text(file.path); }};
}

Type<Secret> secret(std::string_view what) {
  const std::string expected = std::string(what) + " of 1 to 1023 bytes without line ends";
  auto read = [expected](Reader& reader, const Value& value, Secret& out) {
    if (!reader.enter(value)) {
      return false;
    }
    const std::string_view text = value.node.IsScalar() ? value.node.Scalar() : std::string_view();
    if (text.empty() || text.size() > kMaxPassword ||
        text.find_first_of(std::string_view("\0\r\n", 3)) != text.npos) {
      reader.expected(value, expected);
      return false;
    }
    out = Secret(text);
    return true;
  };
  return {{Shape::kScalar, expected, R"("type": "string", "minLength": 1)", nullptr, {}},
          std::move(read),
          [](const Secret&) { return std::string(); },
          [](const Secret& value) {
            TextNode node;
            node.kind = TextNode::Kind::kSecret;
            node.secret = value.clone();
            return node;
          }};
}

Type<Secret> secret_file() {
  const std::string expected = "a file whose first line is a password of 1 to 1023 bytes";
  auto read = [expected](Reader& reader, const Value& value, Secret& out) {
    const auto path = read_path(reader, value, expected);
    if (!path) {
      return false;
    }
    if (!reader.checks_files()) {
      return true;
    }
    const auto fd = open_value(reader, value, *path, expected);
    if (fd && !read_first_line(fd->get(), out)) {
      reader.expected(value, expected, "something else in it");
      return false;
    }
    return fd.has_value();
  };
  return {{Shape::kScalar, expected, R"("type": "string", "minLength": 1)", nullptr, {}},
          std::move(read),
          [](const Secret&) { return std::string(); }};
}

}  // namespace headgate::config
