#include "config/mechanisms.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>

#include "config/reader.h"

namespace headgate::config {
namespace {

constexpr Mechanism kAll[] = {Mechanism::kPlain, Mechanism::kLogin, Mechanism::kXoauth2,
                              Mechanism::kOauthbearer, Mechanism::kExternal};

bool by_token(Mechanism mechanism) {
  return mechanism == Mechanism::kXoauth2 || mechanism == Mechanism::kOauthbearer;
}

std::vector<Mechanism> served(const Config& config) {
  Proofs all;
  for (const UserSource& source : config.users) {
    const Proofs some = proofs(config, source);
    all = {.password = all.password || some.password,
           .token = all.token || some.token,
           .certificate = all.certificate || some.certificate};
  }
  std::vector<Mechanism> mechanisms;
  std::ranges::copy_if(kAll, std::back_inserter(mechanisms), [&](Mechanism mechanism) {
    return mechanism == Mechanism::kExternal ? all.certificate
           : by_token(mechanism)             ? all.token
                                             : all.password;
  });
  return mechanisms;
}

std::string words(const std::vector<Mechanism>& mechanisms) {
  std::string list;
  for (const Mechanism mechanism : mechanisms) {
    list.append(list.empty() ? "" : ", ").append(name(mechanism));
  }
  return list;
}

}  // namespace

Proofs proofs(const Config& config, const UserSource& source) {
  if (source.kind == SourceKind::kOauth) {
    return {.token = true};
  }
  if (source.kind == SourceKind::kCertificate) {
    return {.certificate = true};
  }
  if (!source.trusts_backend()) {
    return {.password = true};
  }
  const bool passed_on = std::ranges::any_of(
      config.pools, [](const Pool& pool) { return pool.login == BackendLogin::kToken; });
  return {.password = true, .token = passed_on};
}

std::vector<Mechanism> offered(const Config& config, const Listener& listener) {
  if (!listener.sasl.empty()) {
    return listener.sasl;
  }
  std::vector<Mechanism> all = served(config);
  if (!listener.client_certificates) {
    std::erase(all, Mechanism::kExternal);
  }
  return all;
}

void check_mechanisms(Reader& reader, const Config& config) {
  const std::vector<Mechanism> possible = served(config);
  if (possible.empty()) {
    return;  // there are no sources, which is an error already
  }
  for (std::size_t i = 0; i < config.users.size(); ++i) {
    if (!reader.good(fmt::format("users[{}].source", i))) {
      return;  // what it could serve is not known
    }
  }
  for (std::size_t i = 0; i < config.listeners.size(); ++i) {
    const std::vector<Mechanism>& wanted = config.listeners[i].sasl;
    for (std::size_t j = 0; j < wanted.size(); ++j) {
      const std::string path = fmt::format("listeners[{}].sasl[{}]", i, j);
      if (!reader.good(path)) {
        continue;
      }
      if (std::ranges::find(possible, wanted[j]) == possible.end()) {
        reader.refuse(path, fmt::format("a mechanism that a user source can serve ({}), found {}{}",
                                        words(possible), name(wanted[j]),
                                        by_token(wanted[j]) ? ", which takes a source that checks "
                                                              "tokens or a pool with login token"
                                                            : ""));
      } else if (wanted[j] == Mechanism::kExternal && !config.listeners[i].client_certificates) {
        reader.refuse(path, "client_certificates at a listener with EXTERNAL, found none");
      } else if (std::ranges::find(wanted, wanted[j]) - wanted.begin() !=
                 static_cast<std::ptrdiff_t>(j)) {
        reader.refuse(path, fmt::format("each mechanism once, found {} again", name(wanted[j])));
      }
    }
  }
}

}  // namespace headgate::config
