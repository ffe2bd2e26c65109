#pragma once

#include <string_view>
#include <vector>

#include "config/config.h"

// Which SASL mechanisms clients can be offered: those that some user source can judge.
namespace headgate::config {

// What logins can prove themselves by at a user source.
struct Proofs {
  bool password = false;
  bool token = false;        // XOAUTH2, OAUTHBEARER
  bool stored = false;       // SCRAM, CRAM-MD5: the source knows what is stored of a password
  bool rounds = false;       // the same: the source judges each round itself
  bool cram_md5 = false;     // the same, and knows this mechanism alone
  bool certificate = false;  // EXTERNAL
};
// A source that leaves the judging to the backend can serve tokens where some pool passes them on.
Proofs proofs(const Config& config, const UserSource& source);

// In the order in which they are announced: listeners[].sasl, else all that the sources can serve
// for every user.
std::vector<Mechanism> offered(const Config& config, const Listener& listener);

// For check_whole(): every mechanism that a listener asks for can be served.
class Reader;
void check_mechanisms(Reader& reader, const Config& config);

std::string_view name(const Mechanism& mechanism);  // "PLAIN"
bool by_token(const Mechanism& mechanism);
// The client shows that it knows the password without telling it.
bool by_exchange(const Mechanism& mechanism);
// The exchange is tied to its TLS connection: SCRAM's -PLUS.
bool ties_to_tls(const Mechanism& mechanism);
// No password that is stored judges it here: its rounds are passed to a source that does.
bool is_passed(const Mechanism& mechanism);
// Its messages can be as long as tokens: tickets of Kerberos, or nobody knows what.
bool has_long_messages(const Mechanism& mechanism);

}  // namespace headgate::config
