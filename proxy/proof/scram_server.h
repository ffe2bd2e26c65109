#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>

#include "base/secret.h"
#include "net/channel_bindings.h"
#include "proof/scram_keys.h"

namespace headgate::proof {

// The server's side of one SCRAM exchange (RFC 5802 section 3): first message, challenge, proof.
// Asks nobody. GNU gsasl's server, which judges CRAM-MD5, knows no tls-server-end-point and reads
// the first message only together with answering it.
class ScramServer {
 public:
  // `plus`: the mechanism is the -PLUS one. `bindings`: what clients may tie the exchange to; a
  // client that says that the server could not do so (flag 'y') is refused where there are any.
  ScramServer(net::Digest digest, bool plus, net::ChannelBindings bindings);

  enum class Failure : std::uint8_t {
    kMalformed,
    kBinding,  // not the one that is offered
    kProof,    // the client does not know the password
  };

  // client-first-message.
  std::expected<void, Failure> read_first(std::string_view message);
  // What it said, without the escapes of a saslname; empty: nothing.
  [[nodiscard]] std::string_view user() const { return user_; }
  [[nodiscard]] std::string_view authorization() const { return authorization_; }

  // server-first-message, with a new nonce. Behind read_first().
  std::string challenge(const ScramKeys& keys);

  // client-final-message; server-final-message is the answer to one that proves the password and
  // belongs to this connection. Behind challenge().
  std::expected<std::string, Failure> read_final(std::string_view message) const;

 private:
  [[nodiscard]] bool may_say(std::string_view flag) const;
  // Whether `input` is what the client announced in its first message, of this connection.
  [[nodiscard]] bool binds(std::string_view input) const;
  [[nodiscard]] bool proves(std::string_view proof, std::string_view messages) const;

  const net::Digest digest_;
  const bool plus_;
  const net::ChannelBindings bindings_;
  std::string header_;      // gs2-header
  std::string first_bare_;  // client-first-message-bare
  std::string user_;
  std::string authorization_;
  std::string client_nonce_;
  std::string nonce_;      // with ours behind it
  std::string challenge_;  // server-first-message
  Secret stored_key_;
  Secret server_key_;
};

}  // namespace headgate::proof
