#pragma once

#include <chrono>
#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/address.h"
#include "base/secret.h"
#include "base/url.h"
#include "net/http_client.h"
#include "net/loop.h"
#include "net/timer_wheel.h"
#include "sources/lookup_server.h"

// A policy server has a say in logins, and is told how they ended: weakforced, or whatever speaks
// its HTTP and JSON as Dovecot does (auth_policy_server_url).
namespace headgate::sources {

struct PolicyOptions {
  Url url;  // "command=allow" or "command=report" is added to its query
  std::vector<std::pair<std::string, Secret>> headers;
  std::chrono::milliseconds timeout{2000};
  Secret nonce;
  unsigned hash_bits = 12;  // from 1 to 256
  bool verify = true;
  std::string ca;  // empty: the system's

  // Whether the same server is asked in the same way.
  [[nodiscard]] bool same(const PolicyOptions& other) const;
};

// What the workers' clients share.
struct PolicyServer {
  explicit PolicyServer(std::shared_ptr<const PolicyOptions> wanted)
      : options(std::move(wanted)), server(options->url) {}

  const std::shared_ptr<const PolicyOptions> options;
  LookupServer server;
};

// One login as the server sees it.
struct PolicyLogin {
  std::string user;
  std::string password_hash;  // see policy_hash(); empty: no password was given
  std::string remote;         // the client's address
  std::string device;         // what the client said about itself
  std::string session_id;
  std::string listener;
  std::string_view protocol = "imap";
  bool tls = false;
};

// As Dovecot makes it, so that all who ask the server can be compared: SHA-256 of nonce, user, NUL
// and password, the first `bits` of it as a number, in hex.
std::string policy_hash(const Secret& nonce, std::string_view user, const Secret& password,
                        unsigned bits);

// What the server is sent.
std::string policy_question(const PolicyLogin& login);
std::string policy_report(const PolicyLogin& login, bool success, bool refused_by_policy);

struct PolicyVerdict {
  bool refused = false;
  std::chrono::seconds delay{0};  // before the login goes on
  std::string message;            // for the log; may be empty
};
// The error says what the answer lacks.
std::expected<PolicyVerdict, std::string> policy_verdict(std::string_view answer);

// Asks and tells the server. One object per worker. A server that fails is not asked for a while:
// see LookupServer.
class PolicyClient {
 public:
  // The error is for the log.
  using Done = std::function<void(std::expected<PolicyVerdict, std::string>)>;

  // Both must outlive it; the loop must turn once more after it has gone.
  PolicyClient(net::Loop& loop, net::TimerWheel& timers, std::shared_ptr<PolicyServer> server);

  // `done` is called once, on this thread, and never before ask() has returned, unless the result
  // is nothing: then there is an error at once and `done` never comes.
  std::expected<net::HttpClient::Id, std::string> ask(const PolicyLogin& login, Done done);
  void cancel(net::HttpClient::Id question) { client_.cancel(question); }
  // Nobody waits for the end of it.
  void report(const PolicyLogin& login, bool success, bool refused_by_policy);

 private:
  using Answered = std::function<void(std::expected<net::HttpReply, std::string>)>;

  std::expected<net::HttpClient::Id, std::string> send(std::string_view command, std::string body,
                                                       Answered done);

  net::Loop& loop_;
  std::shared_ptr<PolicyServer> server_;
  std::size_t reports_ = 0;  // under way
  net::HttpClient client_;   // goes first: its callbacks know the rest
};

}  // namespace headgate::sources
