#pragma once

#include <filesystem>

#include "net/tls.h"

namespace headgate::bench {

// An ECDSA P-256 key and a certificate of its own, in a directory that goes with the object. Ends
// the process where they cannot be made.
class TemporaryCertificate {
 public:
  TemporaryCertificate();
  ~TemporaryCertificate();
  TemporaryCertificate(const TemporaryCertificate&) = delete;
  TemporaryCertificate& operator=(const TemporaryCertificate&) = delete;

  [[nodiscard]] net::CertificateFiles files() const {
    return {directory_ / "certificate.pem", directory_ / "key.pem"};
  }

 private:
  std::filesystem::path directory_;
};

}  // namespace headgate::bench
