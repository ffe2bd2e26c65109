#pragma once

#include <sys/types.h>

#include <expected>
#include <optional>
#include <string>
#include <vector>

#include "base/unique_fd.h"

namespace headgate::server {

// A program that runs beside this process: no shell, no standard input, no environment but the one
// that is given, in the root folder, in a process group of its own. What it writes is read now and
// then by finished(), and of that the last line is kept. Nobody waits for it.
class ChildProcess {
 public:
  // `arguments`: the program's path and what it gets. `environment`: "NAME=value".
  static std::expected<ChildProcess, std::string> start(std::vector<std::string> arguments,
                                                        std::vector<std::string> environment);
  // One that still runs is killed, with all of its group.
  ~ChildProcess();
  ChildProcess(ChildProcess&& other) noexcept;
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;
  ChildProcess& operator=(ChildProcess&&) = delete;

  // How it has ended: empty, or what was wrong: "exit code 1: cannot connect". nullopt: it runs.
  std::optional<std::string> finished();
  void kill();

 private:
  ChildProcess(pid_t process, UniqueFd output) : process_(process), output_(std::move(output)) {}
  void read_output();

  pid_t process_;  // -1: it has ended, or is somebody else's
  UniqueFd output_;
  std::string last_line_;
  bool line_over_ = false;  // the next byte begins another one
};

}  // namespace headgate::server
