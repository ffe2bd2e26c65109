#include "net/client_certificate.h"

#include <openssl/asn1.h>
#include <openssl/bio.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/objects.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <memory>
#include <string_view>

namespace headgate::net {
namespace {

void add_name(const ASN1_STRING* text, std::vector<std::string>& names) {
  constexpr int kLongestName = 1024;
  unsigned char* utf8 = nullptr;
  const int size = text != nullptr ? ASN1_STRING_to_UTF8(&utf8, text) : -1;
  if (size < 0) {
    return;
  }
  const std::string name(utf8, utf8 + size);
  OPENSSL_free(utf8);
  const bool odd = std::ranges::any_of(
      name, [](char byte) { return static_cast<unsigned char>(byte) < 0x20 || byte == 0x7F; });
  if (!name.empty() && size <= kLongestName && !odd) {
    names.push_back(name);
  }
}

void add_subject(const X509* certificate, int nid, std::vector<std::string>& names) {
  const X509_NAME* subject = X509_get_subject_name(certificate);
  for (int at = X509_NAME_get_index_by_NID(subject, nid, -1); at >= 0;
       at = X509_NAME_get_index_by_NID(subject, nid, at)) {
    add_name(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)), names);
  }
}

using Bio = std::unique_ptr<BIO, int (*)(BIO*)>;

// What `write` writes.
std::string written(auto write) {
  const Bio bio(BIO_new(BIO_s_mem()), BIO_free);
  if (!bio || write(bio.get()) <= 0) {
    return {};
  }
  std::string text(BIO_ctrl_pending(bio.get()), '\0');
  const int size = BIO_read(bio.get(), text.data(), static_cast<int>(text.size()));
  text.resize(static_cast<std::size_t>(std::max(size, 0)));
  return text;
}

std::string name_text(const X509_NAME* name) {
  return written([&](BIO* bio) { return X509_NAME_print_ex(bio, name, 0, XN_FLAG_RFC2253); });
}

// i2a_ASN1_INTEGER() breaks the lines of long ones.
std::string serial_text(const X509* certificate) {
  std::string serial =
      written([&](BIO* bio) { return i2a_ASN1_INTEGER(bio, X509_get0_serialNumber(certificate)); });
  std::erase_if(serial, [](char byte) { return byte == '\\' || byte == '\n'; });
  return serial;
}

std::string fingerprint_text(const X509* certificate) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  if (X509_digest(certificate, EVP_sha1(), digest.data(), &size) != 1) {
    return {};
  }
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  for (unsigned at = 0; at < size; ++at) {
    text += kDigits[digest[at] >> 4];
    text += kDigits[digest[at] & 15];
  }
  return text;
}

}  // namespace

CertificateText text_of(const x509_st* certificate) {
  return {.subject = name_text(X509_get_subject_name(certificate)),
          .issuer = name_text(X509_get_issuer_name(certificate)),
          .serial = serial_text(certificate),
          .fingerprint = fingerprint_text(certificate),
          .pem = written([&](BIO* bio) { return PEM_write_bio_X509(bio, certificate); })};
}

CertificateNames names_of(const x509_st* certificate) {
  CertificateNames names;
  names.text = text_of(certificate);
  const auto field = [&](CertificateField which) -> std::vector<std::string>& {
    return names.fields[static_cast<std::size_t>(which)];
  };
  add_subject(certificate, NID_commonName, field(CertificateField::kCommonName));
  add_subject(certificate, NID_pkcs9_emailAddress, field(CertificateField::kEmail));
  add_subject(certificate, NID_userId, field(CertificateField::kUid));
  const std::unique_ptr<GENERAL_NAMES, void (*)(GENERAL_NAMES*)> alternatives(
      static_cast<GENERAL_NAMES*>(
          X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr)),
      GENERAL_NAMES_free);
  const int count = alternatives ? sk_GENERAL_NAME_num(alternatives.get()) : 0;
  for (int i = 0; i < count; ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(alternatives.get(), i);
    if (name->type == GEN_EMAIL) {
      add_name(name->d.rfc822Name, field(CertificateField::kAltEmail));
    } else if (name->type == GEN_OTHERNAME &&
               OBJ_obj2nid(name->d.otherName->type_id) == NID_ms_upn &&
               name->d.otherName->value->type == V_ASN1_UTF8STRING) {
      add_name(name->d.otherName->value->value.utf8string, field(CertificateField::kAltUpn));
    }
  }
  return names;
}

}  // namespace headgate::net
