#include <fmt/format.h>
#include <fmt/ranges.h>
#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <iterator>
#include <string>
#include <tuple>
#include <utility>

#include "base/log.h"
#include "net/socket.h"
#include "server/supervisor.h"
#include "server/user_sources.h"

// How a configuration comes into force, at start and by a reload, and how new sets of backends do.
namespace headgate::server {
namespace {

// A worker whose loop hangs for longer than this takes up the configuration when it goes on.
constexpr std::chrono::seconds kPatience{10};
constexpr std::size_t kMostLogLines = 200;

// The first 16 hexadecimal digits of a file's SHA-256: tells configurations apart on a dashboard.
std::string digest(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  const std::string text(std::istreambuf_iterator<char>(file), {});
  std::array<unsigned char, EVP_MAX_MD_SIZE> hash{};
  unsigned size = 0;
  EVP_Digest(text.data(), text.size(), hash.data(), &size, EVP_sha256(), nullptr);
  return fmt::format("{:02x}", fmt::join(hash.begin(), hash.begin() + 8, ""));
}

// Threads, their buffers, the admin server and the tables against guessing are made once.
bool needs_restart(const std::string& key) {
  const bool admin =
      key.starts_with("admin") && !key.starts_with("admin.tokens") && key != "admin.move_rate";
  return key == "workers" || key == "relay.buffer_size" || admin || key.starts_with("guessing");
}

// The listener among `before` whose sockets serve for `wanted` as well.
std::optional<std::size_t> find_socket(const std::vector<config::Listener>& before,
                                       const config::Listener& wanted) {
  const auto found = std::ranges::find_if(before, [&](const config::Listener& old) {
    return old.address == wanted.address && (wanted.address.port != 0 || old.name == wanted.name);
  });
  if (found == before.end()) {
    return std::nullopt;
  }
  return static_cast<std::size_t>(found - before.begin());
}

void log_listeners(const config::Config& config, const std::vector<ListenerSocket>& sockets) {
  for (std::size_t i = 0; i < sockets.size(); ++i) {
    if (sockets[i].fd) {
      const config::Listener& listener = config.listeners[i];
      const std::string address = net::local_endpoint(sockets[i].fd.get()).to_string();
      log::info(
          "listening",
          {{"listener", listener.name}, {"address", address}, {"tls", config::name(listener.tls)}});
    }
  }
}

void log_listeners_gone(const config::Config& before, const std::vector<ListenerSocket>& sockets) {
  for (std::size_t i = 0; i < before.listeners.size(); ++i) {
    if (std::ranges::find(sockets, i, &ListenerSocket::was) == sockets.end()) {
      log::info("no longer listening", {{"listener", before.listeners[i].name}});
    }
  }
}

// The sets with the parts of their weights that health checks leave at this moment.
Pools as_it_counts(Pools pools) {
  for (auto& set : pools) {
    auto prepared = std::make_shared<balance::BackendSet>(*set);
    balance::prepare(*prepared);
    set = std::move(prepared);
  }
  return pools;
}

void log_each(log::Level level, std::string_view event, std::string_view key,
              const std::vector<std::string>& lines) {
  for (std::size_t i = 0; i < lines.size() && i < kMostLogLines; ++i) {
    log::write(level, event, {{key, lines[i]}});
  }
  if (lines.size() > kMostLogLines) {
    log::write(level, event, {{"more", std::uint64_t{lines.size() - kMostLogLines}}});
  }
}

}  // namespace

std::expected<Supervisor::Candidate, Supervisor::Errors> Supervisor::prepare(
    config::Config config) {
  const InForce now = in_force();
  const config::Config* before = now.snapshot ? &now.snapshot->config : nullptr;
  auto sources = sources::SharedSources::load(source_options(config, before), now.sources.get(),
                                              policy_options(config));
  if (!sources) {
    return std::unexpected(std::move(sources.error()));
  }
  Candidate candidate;
  InForce& next = candidate.next;
  next.sources = std::make_shared<const sources::SharedSources>(*std::move(sources));
  next.sources->resolve();
  next.hash = digest(config.file);
  next.loaded = std::chrono::system_clock::now();
  for (std::size_t i = 0; i < worker_count_; ++i) {
    auto tls = make_tls_contexts(config, ticket_keys_);
    if (!tls) {
      return std::unexpected(std::move(tls.error()));
    }
    candidate.tls.push_back(*std::move(tls));
  }
  auto certificates = read_certificates(config.tls);
  if (!certificates) {
    return std::unexpected(std::move(certificates.error()));
  }
  next.certificates = *std::move(certificates);
  auto sockets = bind_listeners(config);
  if (!sockets) {
    return std::unexpected(Errors{std::move(sockets.error())});
  }
  candidate.sockets = *std::move(sockets);
  log_listeners(config, candidate.sockets.front());
  next.discovery = discover(config, now.discovery, Ask::kAll);
  next.resolved = fresh_pools(config, next.discovery, now);
  next.snapshot = std::make_shared<const Snapshot>(std::move(config), counts_);
  return candidate;
}

// Every worker has a socket of its own for each address; the kernel spreads connections over them.
std::expected<std::vector<std::vector<ListenerSocket>>, std::string> Supervisor::bind_listeners(
    const config::Config& config) {
  const InForce now = in_force();
  std::vector<std::vector<ListenerSocket>> sockets(worker_count_);
  for (const config::Listener& listener : config.listeners) {
    std::optional<std::size_t> was;
    if (now.snapshot) {
      was = find_socket(now.snapshot->config.listeners, listener);
    }
    Endpoint address = listener.address;
    for (std::vector<ListenerSocket>& of_worker : sockets) {
      if (was) {
        of_worker.push_back({.fd = {}, .was = was});
        continue;
      }
      auto fd = net::listen_tcp(address, listener.backlog);
      if (!fd) {
        return std::unexpected("listener " + listener.name + ": " + fd.error());
      }
      net::tune(fd->get(), {.idle_s = static_cast<unsigned>(config.relay.keepalive.count())});
      address = net::local_endpoint(fd->get());  // port 0: the first one chose for all
      of_worker.push_back({.fd = *std::move(fd), .was = std::nullopt});
    }
  }
  return sockets;
}

// The one place where sets are made. What was known of a backend goes on, also of one that a reload
// took away and another brings back.
Pools Supervisor::fresh_pools(const config::Config& config, const Discovery& discovery,
                              const InForce& before, const std::stop_token& stop) {
  Pools known = before.resolved;
  known.insert(known.end(), before.departed.begin(), before.departed.end());
  return make_pools(config, discovery, known, stop);
}

NewGeneration Supervisor::part_of_worker(Candidate& candidate, std::size_t worker) const {
  return {.snapshot = candidate.next.snapshot,
          .pools = candidate.next.pools,
          .sources = candidate.next.sources,
          .tls = std::move(candidate.tls[worker]),
          .listeners = std::move(candidate.sockets[worker]),
          .taken = nullptr};
}

// The one place where a configuration comes to workers that run. Returns when all of them go by it.
void Supervisor::put_in_force(Candidate candidate) {
  auto taken = std::make_shared<std::promise<void>>();
  const InForce before = in_force();
  const config::Config& config = candidate.next.snapshot->config;
  old_sources_.push_back(before.sources);
  log::configure(config.log.level, config.log.format);
  log_listeners_gone(before.snapshot->config, candidate.sockets.front());
  waiting_room_->set_limit(config.login.max_sessions);
  {
    const std::lock_guard one_at_a_time(publish_mutex_);
    Pools gone = before.pools;
    gone.insert(gone.end(), before.departed.begin(), before.departed.end());
    candidate.next.pools =
        as_it_counts(operations_->apply(*candidate.next.snapshot, candidate.next.resolved));
    candidate.next.departed = departed(gone, candidate.next.pools);
    {
      const std::lock_guard lock(in_force_mutex_);
      in_force_ = candidate.next;
    }
    for (std::size_t i = 0; i < workers_.size(); ++i) {
      NewGeneration part = part_of_worker(candidate, i);
      part.taken = taken;
      workers_[i]->post(std::move(part));
    }
  }
  health_->update(candidate.next.snapshot, candidate.next.resolved);
  std::ignore = wait_until_taken(std::move(taken));  // it has logged what there is to say
}

// Under no lock that a worker wants.
std::string Supervisor::wait_until_taken(Taken taken) {
  const std::future<void> all = taken->get_future();
  taken.reset();
  if (all.wait_for(kPatience) == std::future_status::ready) {
    return {};
  }
  log::warning("a worker goes by what was before", {{"waited_s", std::int64_t{kPatience.count()}}});
  return fmt::format("a worker has not answered for {} s and goes by what was before",
                     kPatience.count());
}

// The one place where new sets of the same configuration come to workers: other addresses or other
// backends (`resolved` is as config.pools), and whatever else may change a set while it is in use.
// Waits for no worker: health checks and names have no time for that.
Taken Supervisor::publish(std::optional<Pools> resolved) {
  const std::lock_guard one_at_a_time(publish_mutex_);
  if (!resolved) {
    resolved = in_force().resolved;
  }
  const Pools fresh = as_it_counts(operations_->apply(*in_force().snapshot, *resolved));
  {
    const std::lock_guard lock(in_force_mutex_);
    Pools gone = in_force_.pools;
    gone.insert(gone.end(), in_force_.departed.begin(), in_force_.departed.end());
    in_force_.resolved = *std::move(resolved);
    in_force_.pools = fresh;
    in_force_.departed = departed(gone, fresh);
  }
  auto taken = std::make_shared<std::promise<void>>();
  for (const auto& worker : workers_) {
    worker->post(NewPools{fresh, taken});
  }
  return taken;
}

std::expected<config::Difference, Supervisor::Errors> Supervisor::reload() {
  const std::lock_guard lock(changes_mutex_);
  const std::string file = in_force().snapshot->config.file;
  const auto done = try_reload();
  {
    const std::lock_guard figures_lock(in_force_mutex_);
    ++(done ? reloads_.applied : reloads_.refused);
    reloads_.last_applied = done ? std::optional(in_force_.loaded) : reloads_.last_applied;
    reloads_.last_ok = done.has_value();
  }
  if (done) {
    std::vector<std::string> lines;
    for (const config::Change& change : *done) {
      lines.push_back(change.to_string());
    }
    log_each(log::Level::kInfo, "configuration changed", "change", lines);
    log::info(
        "reloaded",
        {{"config", file}, {"changes", std::uint64_t{lines.size()}}, {"hash", in_force().hash}});
    warn_of_expiry();
  } else {
    log_each(log::Level::kError, "reload refused, the configuration stays as it was", "error",
             done.error());
  }
  return done;
}

std::expected<std::vector<std::string>, Supervisor::Errors> Supervisor::reload_in_words() {
  auto done = reload();
  if (!done) {
    return std::unexpected(std::move(done.error()));
  }
  std::vector<std::string> lines;
  std::ranges::transform(*done, std::back_inserter(lines), &config::Change::to_string);
  return lines;
}

std::expected<config::Difference, Supervisor::Errors> Supervisor::try_reload() {
  if (stopping_) {
    return std::unexpected(Errors{"the process is stopping"});
  }
  const InForce now = in_force();
  const config::Config& before = now.snapshot->config;
  auto loaded = config::load(before.file);
  if (!loaded) {
    Errors errors;
    for (const config::Error& error : loaded.error()) {
      errors.push_back(error.to_string());
    }
    return std::unexpected(std::move(errors));
  }
  config::Difference difference = config::difference(before, *loaded);
  Errors fixed;
  for (const config::Change& change : difference) {
    if (needs_restart(change.key)) {
      fixed.push_back(
          fmt::format("{}: only a restart changes this: {}", loaded->file, change.to_string()));
    }
  }
  if (!fixed.empty()) {
    return std::unexpected(std::move(fixed));
  }
  auto candidate = prepare(std::move(*loaded));
  if (!candidate) {
    return std::unexpected(std::move(candidate.error()));
  }
  std::ranges::move(replaced(now.certificates, candidate->next.certificates),
                    std::back_inserter(difference));
  put_in_force(*std::move(candidate));
  return difference;
}

}  // namespace headgate::server
