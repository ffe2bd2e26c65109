#include "migration/dovecot_director.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <optional>

#include "base/address.h"
#include "config/scalars.h"

namespace headgate::migration {
namespace {

constexpr std::uint32_t kMostHosts = 1024;

std::optional<std::uint32_t> ipv4_number(std::string_view text) {
  const auto ip = IpAddress::parse(text);
  if (!ip || ip->is_v6()) {
    return std::nullopt;
  }
  std::uint32_t number = 0;
  std::memcpy(&number, ip->bytes().data(), sizeof number);
  return ntohl(number);
}

std::string ipv4_text(std::uint32_t number) {
  return fmt::format("{}.{}.{}.{}", number >> 24U, number >> 16U & 255U, number >> 8U & 255U,
                     number & 255U);
}

// "10.0.0.1-10.0.0.9" as its addresses; anything else as it is. Nullopt: a range that is empty or
// too long.
std::optional<std::vector<std::string>> hosts_of(const std::string& text) {
  const std::size_t dash = text.find('-');
  if (dash == std::string::npos) {
    return std::vector{text};
  }
  const auto first = ipv4_number(std::string_view(text).substr(0, dash));
  const auto last = ipv4_number(std::string_view(text).substr(dash + 1));
  if (!first || !last) {
    return std::vector{text};  // a host name with a dash, or an IPv6 address
  }
  if (*last < *first || *last - *first >= kMostHosts) {
    return std::nullopt;
  }
  std::vector<std::string> hosts;
  for (std::uint32_t i = 0; i <= *last - *first; ++i) {
    hosts.push_back(ipv4_text(*first + i));
  }
  return hosts;
}

// HOST:PORT of "host", "host:port", "2001:db8::1" or "[2001:db8::1]:port".
std::optional<std::string> with_port(const std::string& host, std::uint16_t port) {
  if (const auto ip = IpAddress::parse(host)) {
    return Endpoint{.ip = *ip, .port = port}.to_string();
  }
  const auto both = HostPort::parse(host);
  if (both) {
    return both->to_string();
  }
  const auto made = HostPort::parse(fmt::format("{}:{}", host, port));
  return made ? std::optional(made->to_string()) : std::nullopt;
}

ImportedPool& pool_of(std::vector<ImportedPool>& pools, const std::string& name) {
  const auto known = std::ranges::find(pools, name, &ImportedPool::name);
  return known != pools.end() ? *known : pools.emplace_back(ImportedPool{name, {}, {}});
}

void take_word(DovecotImportState& state, const DovecotSetting& servers, const std::string& word,
               std::uint16_t port, std::vector<ImportedPool>& pools) {
  const std::size_t at = word.rfind('@');
  const std::string tag = at == std::string::npos ? "" : word.substr(at + 1);
  if (!tag.empty() && !config::is_name(tag)) {
    state.note(servers, fmt::format("{} is left out: a pool's name cannot be like that tag", word));
    return;
  }
  const auto hosts = hosts_of(word.substr(0, at));
  if (!hosts) {
    state.note(servers,
               fmt::format("{} is left out: expected a range of 1 to {}", word, kMostHosts));
    return;
  }
  for (const std::string& host : *hosts) {
    const auto backend = with_port(host, port);
    if (!backend) {
      state.note(servers, fmt::format("{} is left out: expected a host", host));
      continue;
    }
    ImportedPool& pool = pool_of(pools, tag.empty() ? "main" : tag);
    if (pool.backends.size() == kMostHosts) {
      state.note(servers, fmt::format("{} and what follows is left out: at most {} backends a pool",
                                      word, kMostHosts));
      return;
    }
    if (std::ranges::find(pool.backends, *backend) == pool.backends.end()) {
      pool.backends.push_back(*backend);
    }
  }
}

// %Lu → user; the L only says lower case, which the pool's hash has anyway.
void take_hash(DovecotImportState& state, std::vector<ImportedPool>& pools) {
  const DovecotSetting* hash = state.view.last("director_username_hash");
  if (hash == nullptr) {
    return;
  }
  std::string name = hash->value;
  std::erase(name, 'L');
  if (name == "%d" || name == "%{domain}") {
    for (ImportedPool& pool : pools) {
      pool.values["hash"] = "domain";
    }
  } else if (name == "%n" || name == "%{username}") {
    state.note(*hash,
               "alice and alice@example.org are two users here and may go to two backends; let "
               "users log in with one form, or make one of the other by a map rule with rewrite");
  } else if (name != "%u" && name != "%{user}" && name != "%n@%d") {
    state.note(*hash,
               "left out: pools hash the user name, without detail if you like, or the "
               "domain; see pools.main.hash");
  }
}

}  // namespace

std::vector<ImportedPool> import_director(DovecotImportState& state, std::uint16_t port) {
  std::vector<ImportedPool> pools;
  const DovecotSetting* servers = state.view.last("director_mail_servers");
  if (servers != nullptr) {
    for (const std::string& word : dovecot_words(servers->value)) {
      take_word(state, *servers, word, port, pools);
    }
  }
  if (!pools.empty()) {
    state.note(*servers,
               "the director's hash is another function: most users get another backend than "
               "before; docs/migrate/from-dovecot-director.md says how to move without harm");
  }
  take_hash(state, pools);
  if (const DovecotSetting* expire = state.view.last("director_user_expire")) {
    state.note(*expire,
               "not needed: a user without sessions comes back to the same backend by the hash, "
               "for ever; with failback: when_idle after a failure too");
  }
  if (pools.size() > 1) {
    state.note(*servers,
               "each tag is a pool; who goes to which is said by the user source (pool), by routes "
               "or by a map, in the place of director_tag");
  }
  return pools;
}

}  // namespace headgate::migration
