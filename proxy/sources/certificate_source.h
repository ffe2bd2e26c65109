#pragma once

#include <memory>
#include <optional>
#include <regex>
#include <string>
#include <string_view>

#include "auth/user_source.h"
#include "net/client_certificate.h"

namespace headgate::sources {

// How a certificate's name becomes a user's: the first name in the field that the pattern takes as
// a whole.
struct CertificateOptions {
  net::CertificateField field = net::CertificateField::kAltEmail;
  std::optional<std::regex> pattern;  // none: every name
  std::string rewrite;                // "{1}@example.org"; empty: the name as it stands
};

// SASL EXTERNAL (RFC 4422 appendix A): the client has proved who he is by the certificate of his
// TLS connection, which was verified in the handshake. Asks nobody.
class CertificateSource : public auth::UserSource {
 public:
  // `last`: nobody comes behind who might know a certificate that names no user here.
  CertificateSource(std::shared_ptr<const CertificateOptions> options, bool last)
      : options_(std::move(options)), last_(last) {}

  void look_up(const auth::LoginRequest& request, Callback done) override;
  [[nodiscard]] bool takes(const dialogue::Credentials& credentials) const override {
    return credentials.by_certificate();
  }
  // Takes the name for one that a certificate has.
  auth::LookupResult explain(std::string_view user) override;
  [[nodiscard]] std::string_view name() const override { return "certificate"; }

 private:
  [[nodiscard]] std::optional<std::string> user_of(const net::CertificateNames& names) const;

  std::shared_ptr<const CertificateOptions> options_;
  bool last_;
};

}  // namespace headgate::sources
