#pragma once

#include <chrono>
#include <expected>
#include <string>
#include <vector>

#include "config/config.h"
#include "config/difference.h"
#include "net/certificate.h"

namespace headgate::server {

using Certificates = std::vector<net::CertificateFacts>;

// From when on a certificate is near its end: those who renew by themselves do so earlier.
inline constexpr std::chrono::days kExpiryWarning{14};

// Of the certificates that clients are shown, as tls.certificates. All errors, each with the file.
std::expected<Certificates, std::vector<std::string>> read_certificates(const config::Tls& tls);

// A line for each certificate that has ended or is near its end: "fullchain.pem: ends in 3 days, on
// 2026-12-01".
std::vector<std::string> expiry_warnings(const Certificates& certificates,
                                         std::chrono::system_clock::time_point now);

// What `after` holds in files of the same names as `before`: changes that the configurations do not
// tell.
config::Difference replaced(const Certificates& before, const Certificates& after);

}  // namespace headgate::server
