#include "micro/temporary_certificate.h"

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <cstdio>
#include <cstdlib>
#include <string>

namespace headgate::bench {
namespace {

void must(bool condition, const char* what) {
  if (!condition) {
    std::fprintf(stderr, "temporary certificate: %s\n", what);
    std::exit(1);
  }
}

std::FILE* create(const std::filesystem::path& path) {
  std::FILE* const file = std::fopen(path.c_str(), "w");
  must(file != nullptr, "cannot write it");
  return file;
}

}  // namespace

TemporaryCertificate::TemporaryCertificate() {
  std::string pattern = std::filesystem::temp_directory_path() / "headgate-bench-XXXXXX";
  must(mkdtemp(pattern.data()) != nullptr, "no temporary directory");
  directory_ = pattern;
  EVP_PKEY* const key = EVP_EC_gen("P-256");
  X509* const certificate = X509_new();
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
  X509_gmtime_adj(X509_getm_notBefore(certificate), 0);
  X509_gmtime_adj(X509_getm_notAfter(certificate), 86400);
  X509_set_pubkey(certificate, key);
  must(X509_sign(certificate, key, EVP_sha256()) > 0, "cannot sign it");
  std::FILE* file = create(directory_ / "key.pem");
  PEM_write_PrivateKey(file, key, nullptr, nullptr, 0, nullptr, nullptr);
  std::fclose(file);
  file = create(directory_ / "certificate.pem");
  PEM_write_X509(file, certificate);
  std::fclose(file);
  X509_free(certificate);
  EVP_PKEY_free(key);
}

TemporaryCertificate::~TemporaryCertificate() {
  std::error_code ignored;
  std::filesystem::remove_all(directory_, ignored);
}

}  // namespace headgate::bench
