#include "config/pool_srv.h"

#include <fmt/format.h>

#include "config/login.h"
#include "config/scalars.h"

namespace headgate::config {
namespace {

using namespace std::chrono_literals;

// What the C library's resolver can be told.
constexpr std::size_t kMostServers = 3;
constexpr unsigned kMostBackends = 4096;

}  // namespace

Type<Srv> srv_type() {
  return section<Srv>({
      key("name", &Srv::name, service_name(),
          "The name whose SRV records say where the backends are. The least priority number is "
          "that of the ordinary backends, those with higher ones are backups; weights are relative "
          "to each other.",
          {.required = true, .example = "_imaps._tcp.example.org"}),
      key("within", &Srv::within, domain(),
          "Only targets in this domain are taken. Set it where backends have TLS: whoever can "
          "forge an answer could otherwise name a host of his own, with a certificate that is "
          "right.",
          {.example = "example.org"}),
      key("servers", &Srv::servers, list_of(endpoint(), "a list of DNS servers"),
          "DNS servers to ask for the name and for the addresses of its targets, IPv4 with a port, "
          "at most three. Not set: the system's (/etc/resolv.conf).",
          {.example = R"(["127.0.0.1:8600"])"}),
      key("refresh", &Srv::refresh, duration(1s, 1h),
          "How long an answer is good for; less where its records live shorter."),
      key("refresh_least", &Srv::refresh_least, duration(1s, 1h),
          "But at least this long; also the time until the next question after one that failed."),
      key("most_backends", &Srv::most_backends, number(1U, kMostBackends),
          "An answer with more targets is not taken, and what was known stays."),
      key("max_sessions", &Srv::max_sessions, number(0U, kMostSessions),
          "As backends[].max_sessions, for each of them. 0: no limit."),
  });
}

void check_srv(Reader& reader, const Pool& pool) {
  if (!pool.srv) {
    return;
  }
  const std::string path = fmt::format("pools.{}.srv", pool.name);
  if (reader.has(fmt::format("pools.{}.backends[0]", pool.name))) {
    reader.refuse(path, "either srv or backends");
  }
  for (std::size_t i = 0; i < pool.srv->servers.size(); ++i) {
    const Endpoint& server = pool.srv->servers[i];
    const std::string at = fmt::format("{}.servers[{}]", path, i);
    if (reader.good(at) && (server.ip.is_v6() || server.port == 0)) {
      reader.refuse(at, fmt::format("an IPv4 address with a port from 1 to 65535, found '{}'",
                                    server.to_string()));
    }
  }
  if (pool.srv->servers.size() > kMostServers) {
    reader.refuse(path + ".servers", fmt::format("at most {} DNS servers, found {}", kMostServers,
                                                 pool.srv->servers.size()));
  }
  if (pool.srv->refresh < pool.srv->refresh_least) {
    reader.refuse(path + (reader.has(path + ".refresh") ? ".refresh" : ".refresh_least"),
                  fmt::format("refresh ({}s) not below refresh_least ({}s)",
                              pool.srv->refresh.count(), pool.srv->refresh_least.count()));
  }
}

}  // namespace headgate::config
