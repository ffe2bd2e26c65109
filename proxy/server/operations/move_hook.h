#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "config/config.h"
#include "net/http_client.h"
#include "net/loop.h"
#include "net/timer_wheel.h"
#include "server/operations/child_process.h"

namespace headgate::server {

// What a hook learns of a move.
struct MoveFacts {
  std::uint64_t order = 0;
  std::string pool;
  std::string user;
  std::string from;  // "HOST:PORT"; empty: not known
  std::string to;
};

// Runs what is configured for each user who is moved: a program, or a request over HTTP. All on one
// thread, whose loop is nobody else's.
class MoveHook {
 public:
  using Id = std::uint64_t;
  struct Outcome {
    std::string error;  // empty: it went well
    bool late = false;
    std::chrono::microseconds took{};
  };

  // All three must outlive it; the loop must turn once more after it has gone.
  MoveHook(const config::MoveHook& config, net::Loop& loop, net::TimerWheel& timers);
  ~MoveHook();  // what is under way is killed or given up
  MoveHook(const MoveHook&) = delete;
  MoveHook& operator=(const MoveHook&) = delete;

  Id start(const MoveFacts& facts);
  // Once it has ended, and then it is forgotten. Ask now and then: this looks at deadlines, too.
  std::optional<Outcome> finished(Id id);
  // Harmless for what is over.
  void cancel(Id id);

 private:
  struct Run {
    std::chrono::steady_clock::time_point began;
    std::optional<ChildProcess> process;
    std::optional<net::HttpClient::Id> request;
    std::optional<std::string> result;  // its error, or nothing
    bool late = false;
  };
  using RunPtr = std::shared_ptr<Run>;

  void start_program(Run& run, const MoveFacts& facts);
  void start_request(const RunPtr& run, const MoveFacts& facts);
  void send(const RunPtr& run, std::vector<Endpoint> endpoints, const std::string& body);

  const config::MoveHook& config_;
  net::Loop& loop_;
  std::shared_ptr<net::HttpClient> client_;  // null: a program
  std::map<Id, RunPtr> runs_;
  Id last_id_ = 0;
};

// An argument of a hook's command with the words in braces replaced.
std::string fill_hook_argument(std::string_view argument, const MoveFacts& facts);

}  // namespace headgate::server
