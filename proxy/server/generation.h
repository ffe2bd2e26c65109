#pragma once

#include <cstddef>
#include <future>
#include <memory>
#include <optional>
#include <vector>

#include "auth/chain.h"
#include "auth/exchange.h"
#include "base/unique_fd.h"
#include "metrics/worker_metrics.h"
#include "net/tls.h"
#include "server/snapshot.h"
#include "server/tls_contexts.h"
#include "sources/sources.h"

// What becomes of a configuration on a worker. A reload gives every worker a new generation; nobody
// who is under way is moved to it, and what is not used any more goes by itself.
namespace headgate::server {

// What a session goes by until it ends, and so must cost next to nothing.
struct Terms {
  std::shared_ptr<const Snapshot> snapshot;
  std::vector<metrics::ListenerMetrics*> listeners;  // as config.listeners
  std::vector<std::shared_ptr<net::ServerTls>>
      server_tls;  // as config.listeners, as in TlsContexts
};

// What a login goes by while an attempt is under way. A worker's own: held by its worker while it
// is the newest, and by its logins.
struct Generation {
  std::shared_ptr<const Terms> terms;
  Pools pools;                                              // the newest sets of this configuration
  std::vector<std::unique_ptr<net::ClientTls>> client_tls;  // as config.pools
  std::vector<std::unique_ptr<net::ClientTls>> any_cert_tls;  // likewise, as in TlsContexts
  std::vector<bool> any_cert_refused;  // as config.pools: the log has said so
  std::shared_ptr<const sources::SharedSources> sources;
  std::unique_ptr<auth::Chain> chain;             // of `sources`: goes before them
  std::unique_ptr<auth::Exchanges> exchanges;     // of `chain`, likewise
  std::unique_ptr<sources::PolicyClient> policy;  // likewise; null: no server has a say
};

// Where the socket of a listener comes from.
struct ListenerSocket {
  UniqueFd fd;                     // a new one, or
  std::optional<std::size_t> was;  // that of the listener with this index in the generation before
};

// Goes along with news for all workers. Each lets go of it once the news are in force there, or
// will never be since it has stopped; with the last one its future is ready (as a broken promise).
using Taken = std::shared_ptr<std::promise<void>>;

// What the supervisor hands to one worker. All that can fail has been done.
struct NewGeneration {
  std::shared_ptr<const Snapshot> snapshot;
  Pools pools;
  std::shared_ptr<const sources::SharedSources> sources;
  TlsContexts tls;
  std::vector<ListenerSocket> listeners;  // as config.listeners
  Taken taken;                            // may be null
};

}  // namespace headgate::server
