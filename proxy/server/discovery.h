#pragma once

#include <chrono>
#include <cstdint>
#include <expected>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "admin/control.h"
#include "config/config.h"
#include "metrics/collector.h"
#include "net/dns.h"

// The backends of pools with `srv`, as DNS says.
namespace headgate::server {

// What the answers to one pool's question have said so far.
struct Discovered {
  using Clock = std::chrono::steady_clock;

  std::string pool;
  std::string name;                                     // that was asked for; empty: no `srv`
  std::vector<config::Backend> backends;                // of the last answer that was taken
  std::vector<std::string> left_out;                    // of its targets, and why
  std::chrono::system_clock::time_point answered = {};  // when it came; the epoch: never
  std::string failure;        // why the last question brought none; empty: it brought it
  std::uint64_t answers = 0;  // that were taken
  std::uint64_t failures = 0;
  Clock::time_point ask_at = {};  // again
};
using Discovery = std::vector<Discovered>;  // as config.pools

struct Targets {
  std::vector<config::Backend> backends;  // by priority, then by name: not in the server's order
  std::vector<std::string> left_out;      // "mail3.example.org:0: port 0"
};

// The records as backends: those of the least priority number as ordinary ones, the others as
// backups, with the weights' proportions. The error says why the whole answer is not to be taken:
// too many targets, none that can be used, or the service is not offered.
std::expected<Targets, std::string> backends_of(const net::SrvReply& reply, const config::Srv& srv);

enum class Ask : std::uint8_t { kDue, kAll };
using LookUpSrv = std::function<std::expected<net::SrvReply, std::string>(const config::Srv&)>;
// By net::look_up_srv(), which blocks.
std::expected<net::SrvReply, std::string> look_up(const config::Srv& srv);

// Asks for the pools that are due, or for all, and logs what is new. `before` knows what was said
// so far of pools of the same names; where the question fails, that stays. Once `stop` is requested
// nobody is asked.
Discovery discover(const config::Config& config, const Discovery& before, Ask which,
                   const std::stop_token& stop = {}, const LookUpSrv& look_up_srv = look_up);

// Whether both have the same backends with the same weights.
bool same_backends(const Discovery& one, const Discovery& other);

// Of pools with `srv`.
std::vector<metrics::SrvFigures> figures(const Discovery& discovery);

// What operators are shown of a pool; nullopt: it has no `srv`.
std::optional<admin::SrvView> srv_view(const Discovery& discovery, const std::string& pool);

}  // namespace headgate::server
