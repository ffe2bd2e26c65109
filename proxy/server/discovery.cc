#include "server/discovery.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <tuple>
#include <utility>

#include "base/address.h"
#include "base/log.h"
#include "base/printable.h"

namespace headgate::server {
namespace {

// As backends[].weight, where 0 would mean that no user may come.
constexpr unsigned kUsualWeight = 100;
constexpr unsigned kMostWeight = 10'000;
constexpr std::size_t kMostLinesOfChange = 20;
constexpr std::size_t kMostListed = 10;

bool is_within(std::string_view host, std::string_view domain) {
  return domain.empty() || host == domain ||
         (host.ends_with(domain) && host.substr(0, host.size() - domain.size()).ends_with('.'));
}

// Why a target is no backend; empty: it is one.
std::string why_left_out(const net::SrvRecord& record, const config::Srv& srv) {
  if (record.target.empty()) {
    return "the service is not offered there";
  }
  if (!is_host_name(record.target)) {
    return "no host name";
  }
  if (record.port == 0) {
    return "port 0";
  }
  return is_within(record.target, srv.within) ? "" : "not within " + srv.within;
}

// The weight of a record as it counts for a backend; `most` is the greatest of those that it
// competes with. RFC 2782 gives 0 to records among which there is nothing to choose, and to those
// that are to be chosen hardly ever.
unsigned weight_of(const net::SrvRecord& record, unsigned most) {
  if (most == 0) {
    return kUsualWeight;
  }
  const unsigned weight = most <= kMostWeight ? record.weight : record.weight * kMostWeight / most;
  return std::max(weight, 1U);
}

// The first few, and how many more there are.
std::string listed(const std::vector<std::string>& targets) {
  const std::size_t shown = std::min(targets.size(), kMostListed);
  const auto end = targets.begin() + static_cast<std::ptrdiff_t>(shown);
  std::string text = fmt::format("{}", fmt::join(targets.begin(), end, ", "));
  if (shown < targets.size()) {
    text += fmt::format(", and {} more", targets.size() - shown);
  }
  return text;
}

// "mail1.example.org:993, weight 100, backup"
std::string in_words(const config::Backend& backend) {
  return fmt::format("{}, weight {}{}", backend.address.to_string(), backend.weight,
                     backend.backup ? ", backup" : "");
}

bool same(const config::Backend& one, const config::Backend& other) {
  return one.address == other.address && one.weight == other.weight && one.backup == other.backup &&
         one.max_sessions == other.max_sessions;
}

const config::Backend* find(const std::vector<config::Backend>& backends, const HostPort& address) {
  const auto found = std::ranges::find(backends, address, &config::Backend::address);
  return found == backends.end() ? nullptr : &*found;
}

void log_changes(const Discovered& now, const std::vector<config::Backend>& before) {
  std::vector<std::string> lines;
  for (const config::Backend& backend : before) {
    if (find(now.backends, backend.address) == nullptr) {
      lines.push_back(backend.address.to_string() + ": removed");
    }
  }
  for (const config::Backend& backend : now.backends) {
    const config::Backend* known = find(before, backend.address);
    if (known == nullptr) {
      lines.push_back("added " + in_words(backend));
    } else if (!same(*known, backend)) {
      lines.push_back("changed to " + in_words(backend));
    }
  }
  for (std::size_t i = 0; i < std::min(lines.size(), kMostLinesOfChange); ++i) {
    log::info("backends changed by SRV",
              {{"pool", now.pool}, {"srv", now.name}, {"change", lines[i]}});
  }
  if (lines.size() > kMostLinesOfChange) {
    log::info("backends changed by SRV",
              {{"pool", now.pool},
               {"srv", now.name},
               {"more", std::uint64_t{lines.size() - kMostLinesOfChange}}});
  }
}

void take(Discovered& pool, Targets targets, std::chrono::seconds good_for) {
  if (!pool.failure.empty()) {
    log::info("SRV name is answered again", {{"pool", pool.pool}, {"srv", pool.name}});
  }
  if (!targets.left_out.empty() && targets.left_out != pool.left_out) {
    const std::string all = listed(targets.left_out);
    log::warning("SRV targets left out",
                 {{"pool", pool.pool}, {"srv", pool.name}, {"targets", all}});
  }
  const auto before = std::exchange(pool.backends, std::move(targets.backends));
  log_changes(pool, before);
  pool.left_out = std::move(targets.left_out);
  pool.answered = std::chrono::system_clock::now();
  pool.failure.clear();
  ++pool.answers;
  pool.ask_at = Discovered::Clock::now() + good_for;
}

// What was known stays.
void fail(Discovered& pool, std::string why, std::chrono::seconds retry_after) {
  if (pool.failure != why) {
    log::warning("SRV name has no answer that can be used",
                 {{"pool", pool.pool},
                  {"srv", pool.name},
                  {"error", why},
                  {"backends_kept", std::uint64_t{pool.backends.size()}}});
  }
  pool.failure = std::move(why);
  ++pool.failures;
  pool.ask_at = Discovered::Clock::now() + retry_after;
}

}  // namespace

std::expected<Targets, std::string> backends_of(const net::SrvReply& reply,
                                                const config::Srv& srv) {
  if (reply.records.size() > srv.most_backends) {
    return std::unexpected(fmt::format("{} targets, more than most_backends ({})",
                                       reply.records.size(), srv.most_backends));
  }
  std::vector<net::SrvRecord> usable;
  Targets targets;
  for (const net::SrvRecord& record : reply.records) {
    if (const std::string why = why_left_out(record, srv); why.empty()) {
      usable.push_back(record);
    } else {
      const std::string target = record.target.empty() ? "." : printable(record.target);
      targets.left_out.push_back(fmt::format("{}:{}: {}", target, record.port, why));
    }
  }
  std::ranges::sort(targets.left_out);
  if (usable.empty()) {
    return std::unexpected("no target can be used: " + listed(targets.left_out));
  }
  std::ranges::sort(usable, {}, [](const net::SrvRecord& record) {
    return std::tuple(record.priority, record.target, record.port, record.weight);
  });
  const std::uint16_t first = usable.front().priority;
  unsigned most = 0;
  unsigned most_of_backups = 0;
  for (const net::SrvRecord& record : usable) {
    unsigned& known = record.priority == first ? most : most_of_backups;
    known = std::max(known, unsigned{record.weight});
  }
  for (const net::SrvRecord& record : usable) {
    const HostPort address{record.target, record.port};
    if (find(targets.backends, address) != nullptr) {
      continue;  // twice: as the first says
    }
    const bool backup = record.priority != first;
    targets.backends.push_back({.address = address,
                                .weight = weight_of(record, backup ? most_of_backups : most),
                                .backup = backup,
                                .share = 0,
                                .max_sessions = srv.max_sessions});
  }
  return targets;
}

std::expected<net::SrvReply, std::string> look_up(const config::Srv& srv) {
  return net::look_up_srv(srv.name, srv.servers);
}

Discovery discover(const config::Config& config, const Discovery& before, Ask which,
                   const std::stop_token& stop, const LookUpSrv& look_up_srv) {
  Discovery now;
  for (const config::Pool& pool : config.pools) {
    Discovered& one = now.emplace_back();
    const auto known = std::ranges::find(before, pool.name, &Discovered::pool);
    if (known != before.end() && pool.srv && known->name == pool.srv->name) {
      one = *known;
    }
    one.pool = pool.name;
    one.name = pool.srv ? pool.srv->name : "";
    const bool due = which == Ask::kAll || Discovered::Clock::now() >= one.ask_at;
    if (!pool.srv || !due || stop.stop_requested()) {
      continue;
    }
    const config::Srv& srv = *pool.srv;
    const auto reply = look_up_srv(srv);
    auto targets = reply ? backends_of(*reply, srv) : std::unexpected(reply.error());
    if (targets) {
      take(one, *std::move(targets), std::clamp(reply->ttl, srv.refresh_least, srv.refresh));
    } else {
      fail(one, std::move(targets.error()), srv.refresh_least);
    }
  }
  return now;
}

bool same_backends(const Discovery& one, const Discovery& other) {
  return std::ranges::equal(one, other, [](const Discovered& a, const Discovered& b) {
    return std::ranges::equal(a.backends, b.backends, same);
  });
}

std::vector<metrics::SrvFigures> figures(const Discovery& discovery) {
  std::vector<metrics::SrvFigures> all;
  for (const Discovered& pool : discovery) {
    if (!pool.name.empty()) {
      all.push_back({.pool = pool.pool,
                     .answers = pool.answers,
                     .failures = pool.failures,
                     .backends = pool.backends.size(),
                     .left_out = pool.left_out.size(),
                     .answered = pool.answered});
    }
  }
  return all;
}

std::optional<admin::SrvView> srv_view(const Discovery& discovery, const std::string& pool) {
  const auto found = std::ranges::find(discovery, pool, &Discovered::pool);
  if (found == discovery.end() || found->name.empty()) {
    return std::nullopt;
  }
  const auto answered =
      std::chrono::duration_cast<std::chrono::seconds>(found->answered.time_since_epoch());
  return admin::SrvView{.name = found->name,
                        .answered = answered.count(),
                        .failure = found->failure,
                        .left_out = found->left_out};
}

}  // namespace headgate::server
