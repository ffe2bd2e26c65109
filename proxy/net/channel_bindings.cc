#include "net/channel_bindings.h"

#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <string_view>
#include <utility>

namespace headgate::net {
namespace {

// Whether what both ends have agreed on is theirs alone.
bool has_secret_of_its_own(SSL* ssl) {
  return SSL_version(ssl) == TLS1_3_VERSION || SSL_get_extms_support(ssl) == 1;
}

std::string exporter(SSL* ssl) {
  constexpr std::string_view kLabel = "EXPORTER-Channel-Binding";
  std::string bytes(32, '\0');
  const bool done =
      has_secret_of_its_own(ssl) &&
      SSL_export_keying_material(ssl, reinterpret_cast<unsigned char*>(bytes.data()), bytes.size(),
                                 kLabel.data(), kLabel.size(), nullptr, 0, 0) == 1;
  return done ? bytes : std::string();
}

// The client speaks first to finish a full handshake, the server one that resumes.
std::string unique(SSL* ssl) {
  if (SSL_version(ssl) == TLS1_3_VERSION || !has_secret_of_its_own(ssl)) {
    return {};
  }
  std::array<char, EVP_MAX_MD_SIZE> bytes;
  const std::size_t size = SSL_session_reused(ssl) == 1
                               ? SSL_get_finished(ssl, bytes.data(), bytes.size())
                               : SSL_get_peer_finished(ssl, bytes.data(), bytes.size());
  return {bytes.data(), std::min(size, bytes.size())};
}

// The hash function of the certificate's signature, but SHA-256 for MD5 and SHA-1.
const EVP_MD* end_point_digest(X509* certificate) {
  int digest = NID_undef;
  if (X509_get_signature_info(certificate, &digest, nullptr, nullptr, nullptr) != 1) {
    return nullptr;
  }
  return digest == NID_md5 || digest == NID_sha1 ? EVP_sha256() : EVP_get_digestbynid(digest);
}

std::string end_point(X509* certificate) {
  const EVP_MD* const digest = certificate != nullptr ? end_point_digest(certificate) : nullptr;
  std::array<unsigned char, EVP_MAX_MD_SIZE> bytes;
  unsigned size = 0;
  if (digest == nullptr || X509_digest(certificate, digest, bytes.data(), &size) != 1) {
    return {};
  }
  return {reinterpret_cast<const char*>(bytes.data()), size};
}

}  // namespace

ChannelBindings channel_bindings(ssl_st* ssl) {
  ChannelBindings bindings{.exporter = exporter(ssl), .unique = unique(ssl), .end_points = {}};
  for (long found = SSL_set_current_cert(ssl, SSL_CERT_SET_FIRST); found == 1;
       found = SSL_set_current_cert(ssl, SSL_CERT_SET_NEXT)) {
    if (std::string bytes = end_point(SSL_get_certificate(ssl)); !bytes.empty()) {
      bindings.end_points.push_back(std::move(bytes));
    }
  }
  return bindings;
}

bool always_bound(ssl_ctx_st* context) {
  if (SSL_CTX_get_min_proto_version(context) == TLS1_3_VERSION) {
    return true;
  }
  for (long found = SSL_CTX_set_current_cert(context, SSL_CERT_SET_FIRST); found == 1;
       found = SSL_CTX_set_current_cert(context, SSL_CERT_SET_NEXT)) {
    if (!end_point(SSL_CTX_get0_certificate(context)).empty()) {
      return true;
    }
  }
  return false;
}

}  // namespace headgate::net
