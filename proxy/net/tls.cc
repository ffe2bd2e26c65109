#include "net/tls.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <optional>
#include <unordered_map>
#include <utility>

#include <fmt/format.h>

#include "base/c_ptr.h"
#include "base/whole_file.h"
#include "net/channel_bindings.h"
#include "net/crypto_library.h"
#include "net/digest.h"
#include "net/handshake_tap.h"
#include "net/tls_error.h"

namespace headgate::net {
namespace {

constexpr std::string_view kSessionIdContext = "headgate";

using Bio = CPtr<BIO, BIO_free>;
using Certificate = CPtr<X509, X509_free>;
using PrivateKey = CPtr<EVP_PKEY, EVP_PKEY_free>;
using Session = CPtr<SSL_SESSION, SSL_SESSION_free>;
using Context = CPtr<SSL_CTX, SSL_CTX_free>;

using Problem = std::optional<std::string>;

std::string last_error() {
  return describe_tls_error(ERR_peek_last_error());
}

// An encrypted key is an error and never a prompt on the terminal.
int no_passphrase(char*, int, int, void*) {
  return -1;
}

std::expected<Bio, std::string> open_file(const std::string& path) {
  Bio file(BIO_new_file(path.c_str(), "r"));
  if (!file) {
    return std::unexpected(fmt::format("{}: {}", path, std::strerror(errno)));
  }
  return file;
}

std::expected<std::vector<Certificate>, std::string> load_chain(const std::string& path) {
  auto file = open_file(path);
  if (!file) {
    return std::unexpected(file.error());
  }
  std::vector<Certificate> chain;
  while (X509* next = PEM_read_bio_X509(file->get(), nullptr, no_passphrase, nullptr)) {
    chain.emplace_back(next);
  }
  // The end of the file is an error of this kind and ends the loop in order.
  const unsigned long error = ERR_peek_last_error();
  if (ERR_GET_LIB(error) != ERR_LIB_PEM || ERR_GET_REASON(error) != PEM_R_NO_START_LINE) {
    return std::unexpected(fmt::format("{}: broken certificate: {}", path, last_error()));
  }
  if (chain.empty()) {
    return std::unexpected(fmt::format("{}: no certificate in PEM form", path));
  }
  ERR_clear_error();
  return chain;
}

std::expected<PrivateKey, std::string> load_key(const std::string& path) {
  auto file = open_file(path);
  if (!file) {
    return std::unexpected(file.error());
  }
  PrivateKey key(PEM_read_bio_PrivateKey_ex(file->get(), nullptr, no_passphrase, nullptr,
                                            crypto_library(), nullptr));
  if (!key) {
    return std::unexpected(
        fmt::format("{}: no unencrypted private key in PEM form: {}", path, last_error()));
  }
  return key;
}

Problem add_certificate(SSL_CTX* context, const CertificateFiles& files) {
  auto chain = load_chain(files.certificate);
  if (!chain) {
    return chain.error();
  }
  auto key = load_key(files.key);
  if (!key) {
    return key.error();
  }
  if (X509_check_private_key(chain->front().get(), key->get()) != 1) {
    return fmt::format("{}: is not the key of certificate {}", files.key, files.certificate);
  }
  const std::unique_ptr<STACK_OF(X509), void (*)(STACK_OF(X509)*)> rest(
      sk_X509_new_null(), [](STACK_OF(X509) * stack) { sk_X509_free(stack); });
  for (std::size_t i = 1; i < chain->size(); ++i) {
    sk_X509_push(rest.get(), (*chain)[i].get());
  }
  constexpr int kKeepFirstOfAKind = 0;
  if (SSL_CTX_use_cert_and_key(context, chain->front().get(), key->get(), rest.get(),
                               kKeepFirstOfAKind) != 1) {
    if (ERR_GET_REASON(ERR_peek_last_error()) == SSL_R_NOT_REPLACING_CERTIFICATE) {
      ERR_clear_error();
      return std::nullopt;
    }
    return fmt::format("{}: {}", files.certificate, last_error());
  }
  return std::nullopt;
}

Problem apply_policy(SSL_CTX* context, const TlsPolicy& policy) {
  int minimum = 0;
  if (policy.minimum_version == "1.2") {
    minimum = TLS1_2_VERSION;
  } else if (policy.minimum_version == "1.3") {
    minimum = TLS1_3_VERSION;
  } else {
    return fmt::format("minimum TLS version \"{}\": expected \"1.2\" or \"1.3\"",
                       policy.minimum_version);
  }
  SSL_CTX_set_min_proto_version(context, minimum);
  if (!policy.ciphers.empty() && SSL_CTX_set_cipher_list(context, policy.ciphers.c_str()) != 1) {
    return fmt::format("TLS 1.2 ciphers \"{}\": {}", policy.ciphers, last_error());
  }
  if (!policy.cipher_suites.empty() &&
      SSL_CTX_set_ciphersuites(context, policy.cipher_suites.c_str()) != 1) {
    return fmt::format("TLS 1.3 cipher suites \"{}\": {}", policy.cipher_suites, last_error());
  }
  if (!policy.groups.empty() && SSL_CTX_set1_groups_list(context, policy.groups.c_str()) != 1) {
    return fmt::format("TLS groups \"{}\": {}", policy.groups, last_error());
  }
  if (policy.own_records) {
    HandshakeTap::prepare(context);
  }
  return std::nullopt;
}

// What tells the sessions of one set of rules from those of another: one whose certificate was
// verified by other rules gets a full handshake.
std::expected<Secret, std::string> session_context_of(const ClientVerification& clients) {
  constexpr std::size_t kLargestFile = std::size_t{64} << 20;
  Secret all(fmt::format("{} {} {} {}\n", kSessionIdContext, clients.required, clients.depth,
                         clients.unknown_authorities));
  for (const std::string& path : {clients.ca_file, clients.crl_file}) {
    if (path.empty()) {
      continue;
    }
    const auto file = open_regular(path);
    const auto text = file ? read_whole(file->fd.get(), kLargestFile)
                           : std::expected<Secret, std::string>(std::unexpected(file.error()));
    if (!text) {
      return std::unexpected(fmt::format("{}: {}", path, text.error()));
    }
    all.append(text->view());
  }
  return hash(Digest::kSha256, all.view(), "");
}

Problem load_authorities(SSL_CTX* context, const std::string& file) {
  STACK_OF(X509_NAME)* names = SSL_load_client_CA_file_ex(file.c_str(), crypto_library(), nullptr);
  if (names == nullptr || SSL_CTX_load_verify_file(context, file.c_str()) != 1) {
    sk_X509_NAME_pop_free(names, X509_NAME_free);
    return fmt::format("{}: cannot be used as a list of authorities: {}", file, last_error());
  }
  SSL_CTX_set_client_CA_list(context, names);  // takes it
  return std::nullopt;
}

// Excuses what says that the authority is not known, as nginx's optional_no_ca does, and nothing
// else: neither a certificate that is over or revoked, nor one that is not for clients. What was
// excused stays the verdict of the whole (SSL_get_verify_result), also of sessions that are
// resumed.
int excuse_unknown_authority(int good, X509_STORE_CTX* store) {
  switch (X509_STORE_CTX_get_error(store)) {
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
      return 1;
    default:
      return good;
  }
}

Problem verify_clients(SSL_CTX* context, const ClientVerification& clients) {
  if (!clients.ca_file.empty()) {
    if (Problem problem = load_authorities(context, clients.ca_file)) {
      return problem;
    }
  }
  if (!clients.crl_file.empty()) {
    X509_STORE* store = SSL_CTX_get_cert_store(context);
    X509_LOOKUP* lookup = X509_STORE_add_lookup(store, X509_LOOKUP_file());
    if (lookup == nullptr ||
        X509_load_crl_file(lookup, clients.crl_file.c_str(), X509_FILETYPE_PEM) < 1) {
      return fmt::format("{}: no revocation list in PEM form: {}", clients.crl_file, last_error());
    }
    X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK);
  }
  const auto session_context = session_context_of(clients);
  if (!session_context) {
    return session_context.error();
  }
  const std::string_view bytes = session_context->view();
  SSL_CTX_set_session_id_context(context, reinterpret_cast<const unsigned char*>(bytes.data()),
                                 static_cast<unsigned>(bytes.size()));
  SSL_CTX_set_verify_depth(context, static_cast<int>(clients.depth));
  SSL_CTX_set_verify(context,
                     SSL_VERIFY_PEER | (clients.required ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0),
                     clients.unknown_authorities ? &excuse_unknown_authority : nullptr);
  return std::nullopt;
}

// Names for sessions that nobody looks up by them, for all are in tickets: random all the same, but
// of bytes that one call has got for 64 of them. OpenSSL's own way is a call to its generator each
// time, 0.7 % of a login.
int name_session(SSL* /*ssl*/, unsigned char* name, unsigned* size) {
  constexpr std::size_t kLongest = SSL_MAX_SSL_SESSION_ID_LENGTH;
  thread_local std::array<unsigned char, 64 * kLongest> random;
  thread_local std::size_t used = random.size();
  if (*size > kLongest) {
    return 0;
  }
  if (used + *size > random.size()) {
    if (RAND_bytes_ex(crypto_library(), random.data(), random.size(), 0) != 1) {
      return 0;
    }
    used = 0;
  }
  std::copy_n(random.begin() + static_cast<std::ptrdiff_t>(used), *size, name);
  used += *size;
  return 1;
}

// What every connection of ours wants, on either side.
Context make_context(const SSL_METHOD* method) {
  Context context(SSL_CTX_new_ex(crypto_library(), nullptr, method));
  if (!context) {
    return context;
  }
  SSL_CTX_set_options(context.get(), SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  // Idle connections give back 33 KB of record buffers each.
  SSL_CTX_set_mode(context.get(), SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  return context;
}

}  // namespace

// Name, MAC key and cipher key as OpenSSL lays them out.
class TicketKeys {
 public:
  std::array<unsigned char, 80> bytes;
};

std::shared_ptr<const TicketKeys> make_ticket_keys() {
  auto keys = std::make_shared<TicketKeys>();
  if (RAND_priv_bytes(keys->bytes.data(), static_cast<int>(keys->bytes.size())) != 1) {
    return nullptr;
  }
  return keys;
}

std::expected<std::unique_ptr<ServerTls>, std::string> ServerTls::create(
    const ServerTlsOptions& options) {
  ERR_clear_error();
  Context context = make_context(TLS_server_method());
  if (!context) {
    return std::unexpected(fmt::format("TLS: {}", last_error()));
  }
  if (const Problem problem = apply_policy(context.get(), options.policy)) {
    return std::unexpected(*problem);
  }
  if (options.certificates.empty()) {
    return std::unexpected("TLS: no certificate given");
  }
  for (const CertificateFiles& files : options.certificates) {
    if (const Problem problem = add_certificate(context.get(), files)) {
      return std::unexpected(*problem);
    }
  }
  SSL_CTX_set_options(context.get(), SSL_OP_CIPHER_SERVER_PREFERENCE);
  SSL_CTX_set_session_id_context(context.get(),
                                 reinterpret_cast<const unsigned char*>(kSessionIdContext.data()),
                                 static_cast<unsigned>(kSessionIdContext.size()));
  // Tickets alone: they need no memory here, no lock, and open on every worker.
  SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_OFF);
  SSL_CTX_set_generate_session_id(context.get(), &name_session);
  SSL_CTX_set_num_tickets(context.get(), options.tickets);
  if (options.tickets == 0) {
    SSL_CTX_set_options(context.get(), SSL_OP_NO_TICKET);
  }
  if (options.ticket_keys) {
    auto bytes = options.ticket_keys->bytes;  // the macro wants them mutable
    SSL_CTX_set_tlsext_ticket_keys(context.get(), bytes.data(), bytes.size());
    OPENSSL_cleanse(bytes.data(), bytes.size());
  }
  SSL_CTX_set_max_early_data(context.get(), 0);
  if (options.clients) {
    if (const Problem problem = verify_clients(context.get(), *options.clients)) {
      return std::unexpected(*problem);
    }
  }
  return std::unique_ptr<ServerTls>(new ServerTls(context.release()));
}

ServerTls::ServerTls(ssl_ctx_st* context)
    : context_(context), always_bound_(net::always_bound(context)) {}

ServerTls::~ServerTls() {
  SSL_CTX_free(context_);
}

namespace {

// The sessions a client context keeps. Belongs to the SSL_CTX, which lives as long as its last
// connection, so that a ticket that comes late finds its place.
class SessionStore {
 public:
  // nullptr when the store is full.
  Session* slot(std::string key) {
    if (const auto found = sessions_.find(key); found != sessions_.end()) {
      return &found->second;
    }
    if (sessions_.size() >= ClientTls::kMaxServers) {
      return nullptr;
    }
    return &sessions_.try_emplace(std::move(key)).first->second;
  }

  static int context_index() {
    static const int index = SSL_CTX_get_ex_new_index(
        0, nullptr, nullptr, nullptr, [](void*, void* store, CRYPTO_EX_DATA*, int, long, void*) {
          delete static_cast<SessionStore*>(store);
        });
    return index;
  }
  static int connection_index() {
    static const int index = SSL_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
    return index;
  }

  // OpenSSL's callback; answering 1 keeps the reference it came with.
  static int on_new_session(SSL* ssl, SSL_SESSION* session) {
    auto* slot = static_cast<Session*>(SSL_get_ex_data(ssl, connection_index()));
    if (slot == nullptr) {
      return 0;
    }
    slot->reset(session);
    return 1;
  }

 private:
  std::unordered_map<std::string, Session> sessions_;  // its nodes do not move
};

}  // namespace

std::expected<std::unique_ptr<ClientTls>, std::string> ClientTls::create(
    const ClientTlsOptions& options) {
  ERR_clear_error();
  Context context = make_context(TLS_client_method());
  if (!context) {
    return std::unexpected(fmt::format("TLS: {}", last_error()));
  }
  if (const Problem problem = apply_policy(context.get(), options.policy)) {
    return std::unexpected(*problem);
  }
  if (!options.ca_file.empty()) {
    if (SSL_CTX_load_verify_file(context.get(), options.ca_file.c_str()) != 1) {
      return std::unexpected(fmt::format("{}: cannot be used as a list of authorities: {}",
                                         options.ca_file, last_error()));
    }
  } else if (options.verify && SSL_CTX_set_default_verify_paths(context.get()) != 1) {
    return std::unexpected(fmt::format("the system's list of authorities: {}", last_error()));
  }
  if (options.certificate) {
    if (const Problem problem = add_certificate(context.get(), *options.certificate)) {
      return std::unexpected(*problem);
    }
  }
  SSL_CTX_set_verify(context.get(), options.verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, nullptr);
  SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  SSL_CTX_set_ex_data(context.get(), SessionStore::context_index(), new SessionStore);
  SSL_CTX_sess_set_new_cb(context.get(), &SessionStore::on_new_session);
  return std::unique_ptr<ClientTls>(new ClientTls(context.release(), options.verify));
}

ClientTls::~ClientTls() {
  SSL_CTX_free(context_);
}

void ClientTls::use_session(ssl_st* ssl, const std::string& server_name, std::string_view address) {
  auto* store =
      static_cast<SessionStore*>(SSL_CTX_get_ex_data(context_, SessionStore::context_index()));
  Session* slot = store->slot(fmt::format("{}\n{}", server_name, address));
  SSL_set_ex_data(ssl, SessionStore::connection_index(), slot);
  if (slot != nullptr && *slot && SSL_SESSION_is_resumable(slot->get()) == 1) {
    SSL_set_session(ssl, slot->get());
  }
}

}  // namespace headgate::net
