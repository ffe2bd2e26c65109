// What concerns the certificates of clients: where they are asked for, and whose they are.

#include <fmt/format.h>

#include "config/pattern.h"
#include "config/scalars.h"
#include "config/user_sources.h"

namespace headgate::config {
namespace {

const Choices<CertificateField> kFields = {{"common_name", CertificateField::kCommonName},
                                           {"email", CertificateField::kEmail},
                                           {"uid", CertificateField::kUid},
                                           {"alt_email", CertificateField::kAltEmail},
                                           {"alt_upn", CertificateField::kAltUpn}};

void check_rule(Reader& reader, const std::string& path, const CertificateRule& rule) {
  if (!rule.rewrite.empty() && rule.pattern.empty()) {
    reader.refuse(path + ".rewrite", "nothing without a pattern");
  }
}

void check_clients(Reader& reader, const std::string& path, const ClientCertificates& clients) {
  if (!reader.has(path + ".ca")) {
    if (!clients.unknown_authorities) {
      reader.refuse(path + ".ca", "the authorities of clients, where unknown_authorities is false");
    }
    if (reader.has(path + ".crl")) {
      reader.refuse(path + ".crl", "nothing without ca");
    }
  }
}

}  // namespace

Type<ClientCertificates> client_certificates_type() {
  return section<ClientCertificates>(
      {
          key("ca", &ClientCertificates::ca, file("a PEM file that can be read"),
              "PEM file with the authorities whose certificates are taken; clients are told their "
              "names. May be left out with unknown_authorities alone.",
              {.example = "clients-ca.pem"}),
          key("required", &ClientCertificates::required, boolean(),
              "Whether the TLS handshake fails without a certificate. A certificate that is not "
              "good fails it in any case."),
          key("depth", &ClientCertificates::depth, number(0U, 16U),
              "Intermediate authorities that a certificate's chain may have."),
          key("crl", &ClientCertificates::crl, file("a PEM file that can be read"),
              "PEM file with the authorities' revocation lists; one that is missing or too old "
              "makes all their certificates bad. Read again with each reload. Not set: none.",
              {.example = "clients.crl"}),
          key("unknown_authorities", &ClientCertificates::unknown_authorities, boolean(),
              "Whether a certificate whose only fault is that no authority of ca vouches for it "
              "passes the TLS handshake (nginx: optional_no_ca). It lets nobody in by EXTERNAL; "
              "auth_http is told Auth-SSL-Verify: FAILED and why."),
      },
      check_clients);
}

Type<CertificateRule> certificate_rule_type() {
  return section<CertificateRule>(
      {
          key("field", &CertificateRule::field, choice(kFields),
              "Which name of the certificate is the user's: common_name, email or uid of the "
              "subject; alt_email or alt_upn (userPrincipalName) of the alternative names."),
          key("pattern", &CertificateRule::pattern, pattern(),
              "The first of these names that matches this ECMAScript regular expression as a "
              "whole, without regard to case, counts. Not set: the first name.",
              {.example = R"x("(.+)@staff[.]example[.]org")x"}),
          key("rewrite", &CertificateRule::rewrite, text("a name", 512),
              "The user's name. {user}, {local_part} and {domain} of that name, and {1} to {9} for "
              "the groups of the pattern. Not set: that name.",
              {.example = R"("{1}@example.org")"}),
      },
      check_rule);
}

}  // namespace headgate::config
