#include "server/operations/move_hook.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <utility>

#include "net/socket.h"

namespace headgate::server {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kIdleHookConnections = 8;
constexpr const char* kPath = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

}  // namespace

std::string fill_hook_argument(std::string_view argument, const MoveFacts& facts) {
  const std::array<std::pair<std::string_view, const std::string*>, 4> words = {
      {{"user", &facts.user}, {"pool", &facts.pool}, {"from", &facts.from}, {"to", &facts.to}}};
  std::string filled;
  while (!argument.empty()) {
    const std::size_t open = std::min(argument.find('{'), argument.size());
    filled += argument.substr(0, open);
    argument.remove_prefix(open);
    if (argument.empty()) {
      break;
    }
    const std::size_t close = std::min(argument.find('}'), argument.size() - 1);
    const std::string_view word = argument.substr(1, close - 1);
    const auto known = std::ranges::find(words, word, [](const auto& one) { return one.first; });
    if (known != words.end()) {
      filled += *known->second;
    }
    argument.remove_prefix(close + 1);
  }
  return filled;
}

MoveHook::MoveHook(const config::MoveHook& config, net::Loop& loop, net::TimerWheel& timers)
    : config_(config), loop_(loop) {
  if (config.url) {
    client_ = std::make_shared<net::HttpClient>(
        loop, timers,
        net::HttpClient::Options{.verify = config.verify,
                                 .ca_file = config.ca,
                                 .idle_connections = kIdleHookConnections});
  }
}

MoveHook::~MoveHook() = default;

MoveHook::Id MoveHook::start(const MoveFacts& facts) {
  const auto run = std::make_shared<Run>();
  run->began = Clock::now();
  if (client_) {
    start_request(run, facts);
  } else {
    start_program(*run, facts);
  }
  runs_.emplace(++last_id_, run);
  return last_id_;
}

void MoveHook::start_program(Run& run, const MoveFacts& facts) {
  std::vector<std::string> arguments;
  for (const std::string& argument : config_.command) {
    arguments.push_back(arguments.empty() ? argument : fill_hook_argument(argument, facts));
  }
  auto started = ChildProcess::start(
      std::move(arguments), {kPath, "HEADGATE_USER=" + facts.user, "HEADGATE_POOL=" + facts.pool,
                             "HEADGATE_FROM=" + facts.from, "HEADGATE_TO=" + facts.to});
  if (started) {
    run.process.emplace(*std::move(started));
  } else {
    run.result = std::move(started.error());
  }
}

// The resolver blocks, and so has its turn on another thread.
void MoveHook::start_request(const RunPtr& run, const MoveFacts& facts) {
  const std::string body = nlohmann::json({{"user", facts.user},
                                           {"pool", facts.pool},
                                           {"from", facts.from},
                                           {"to", facts.to},
                                           {"move", facts.order}})
                               .dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  using Resolved = std::expected<std::vector<Endpoint>, std::string>;
  const auto resolved = std::make_shared<Resolved>();
  net::run_blocking(
      loop_, [resolved, address = config_.url->address] { *resolved = net::resolve(address); },
      [this, resolved, body, waiting = std::weak_ptr<Run>(run)] {
        const RunPtr asking = waiting.lock();
        if (!asking) {
          return;  // given up, perhaps with the hook itself
        }
        if (!*resolved || (*resolved)->empty()) {
          asking->result = fmt::format("{}: {}", config_.url->address.to_string(),
                                       *resolved ? "no address" : resolved->error());
        } else {
          send(asking, std::move(**resolved), body);
        }
      });
}

void MoveHook::send(const RunPtr& run, std::vector<Endpoint> endpoints, const std::string& body) {
  constexpr unsigned kOk = 200;
  constexpr unsigned kNoLongerOk = 300;
  net::HttpRequest request;
  request.url = *config_.url;
  request.endpoints = std::move(endpoints);
  request.timeout = config_.timeout;
  request.headers.emplace_back("Content-Type: application/json");
  for (const config::HttpHeader& header : config_.headers) {
    Secret line(header.name + ": ");
    line.append(header.value.view());
    request.headers.push_back(std::move(line));
  }
  request.body = Secret(body);
  run->request =
      client_->send(std::move(request), [asking = std::weak_ptr<Run>(run)](const auto& reply) {
        if (const RunPtr asked = asking.lock()) {
          asked->late = !reply && reply.error().timed_out;
          asked->result = !reply ? reply.error().why
                          : reply->status >= kOk && reply->status < kNoLongerOk
                              ? std::string()
                              : fmt::format("HTTP status {}", reply->status);
        }
      });
}

std::optional<MoveHook::Outcome> MoveHook::finished(Id id) {
  const auto found = runs_.find(id);
  if (found == runs_.end()) {
    return Outcome{.error = "it was given up"};
  }
  Run& run = *found->second;
  if (run.process && !run.result) {
    run.result = run.process->finished();
  }
  const auto took = Clock::now() - run.began;
  run.late = run.late || (!run.result && took >= config_.timeout);
  if (!run.result && !run.late) {
    return std::nullopt;
  }
  Outcome outcome{.error = run.late ? "no end within admin.moves.hook.timeout" : *run.result,
                  .late = run.late,
                  .took = std::chrono::duration_cast<std::chrono::microseconds>(took)};
  cancel(id);
  return outcome;
}

void MoveHook::cancel(Id id) {
  const auto found = runs_.find(id);
  if (found == runs_.end()) {
    return;
  }
  if (found->second->request) {
    client_->cancel(*found->second->request);
  }
  runs_.erase(found);
}

}  // namespace headgate::server
