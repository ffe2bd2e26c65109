#include "net/certificate.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <memory>

#include "net/tls_error.h"

namespace headgate::net {

std::expected<CertificateFacts, std::string> read_certificate(const std::string& file) {
  ERR_clear_error();
  const std::unique_ptr<BIO, int (*)(BIO*)> input(BIO_new_file(file.c_str(), "r"), BIO_free);
  if (!input) {
    return std::unexpected(fmt::format("{}: {}", file, std::strerror(errno)));
  }
  const std::unique_ptr<X509, void (*)(X509*)> certificate(
      PEM_read_bio_X509(input.get(), nullptr, nullptr, nullptr), X509_free);
  if (!certificate) {
    return std::unexpected(fmt::format("{}: no certificate in PEM form: {}", file,
                                       describe_tls_error(ERR_peek_last_error())));
  }
  std::tm end{};
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  if (ASN1_TIME_to_tm(X509_get0_notAfter(certificate.get()), &end) != 1 ||
      X509_digest(certificate.get(), EVP_sha256(), digest.data(), &size) != 1) {
    return std::unexpected(fmt::format("{}: a certificate without a date of expiry", file));
  }
  return CertificateFacts{
      .file = file,
      .not_after = std::chrono::sys_seconds(std::chrono::seconds(::timegm(&end))),
      .fingerprint = fmt::format("{:02x}", fmt::join(digest.begin(), digest.begin() + 8, ""))};
}

}  // namespace headgate::net
