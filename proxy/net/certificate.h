#pragma once

#include <chrono>
#include <expected>
#include <string>

namespace headgate::net {

// What operators want to know of a certificate.
struct CertificateFacts {
  std::string file;
  std::chrono::sys_seconds not_after;
  std::string fingerprint;  // the first 16 hexadecimal digits of its SHA-256
};

// Of the first certificate in a PEM file. The error names the file.
std::expected<CertificateFacts, std::string> read_certificate(const std::string& file);

}  // namespace headgate::net
