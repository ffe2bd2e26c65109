#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

struct x509_st;

namespace headgate::net {

// Where a certificate says whose it is.
enum class CertificateField : std::uint8_t {
  kCommonName,  // CN of the subject
  kEmail,       // emailAddress of the subject
  kUid,         // UID of the subject (RFC 4519)
  kAltEmail,    // rfc822Name of the subject's alternative names
  kAltUpn,      // userPrincipalName of these, as Windows has it
};
inline constexpr std::size_t kCertificateFieldCount = 5;

// A certificate as nginx tells it to others, in printable ASCII but for the line ends of `pem`.
struct CertificateText {
  std::string subject;      // RFC 2253
  std::string issuer;       // the same
  std::string serial;       // capital hexadecimal digits
  std::string fingerprint;  // SHA-1 of the whole, small hexadecimal digits
  std::string pem;
};

// What stands in these fields, as UTF-8, in the certificate's order. Names with control characters
// are left out, since they are meant to be read as something else.
struct CertificateNames {
  std::array<std::vector<std::string>, kCertificateFieldCount> fields;
  CertificateText text;

  [[nodiscard]] const std::vector<std::string>& of(CertificateField field) const {
    return fields[static_cast<std::size_t>(field)];
  }
};

// A certificate of an authority that nobody knows. It proves nothing: another type, so that it
// cannot be taken for one that was verified.
struct UnverifiedCertificate {
  CertificateText text;
  std::string why;  // OpenSSL's words for what is wrong with it
};

CertificateNames names_of(const x509_st* certificate);
CertificateText text_of(const x509_st* certificate);

}  // namespace headgate::net
