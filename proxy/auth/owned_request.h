#pragma once

#include <memory>
#include <string>

#include "auth/user_source.h"

namespace headgate::auth {

// A copy of a request for a source that answers after look_up() has returned.
class OwnedRequest {
 public:
  explicit OwnedRequest(const LoginRequest& request)
      : credentials_{request.credentials.mechanism, request.credentials.user,
                     request.credentials.secret.clone()},
        client_(request.client),
        connected_(request.connected),
        listener_(request.listener),
        session_id_(request.session_id),
        tls_(request.tls),
        tls_version_(request.tls_version),
        tls_cipher_(request.tls_cipher),
        protocol_(request.protocol),
        proxied_(request.proxied),
        certificate_(request.certificate),
        unverified_certificate_(request.unverified_certificate),
        certificate_asked_(request.certificate_asked),
        attempt_(request.attempt),
        server_name_(request.server_name),
        round_(request.round) {}

  // Refers to this object.
  [[nodiscard]] LoginRequest view() const {
    return {.credentials = credentials_,
            .client = client_,
            .connected = connected_,
            .listener = listener_,
            .session_id = session_id_,
            .tls = tls_,
            .tls_version = tls_version_,
            .tls_cipher = tls_cipher_,
            .protocol = protocol_,
            .proxied = proxied_,
            .certificate = certificate_,
            .unverified_certificate = unverified_certificate_,
            .certificate_asked = certificate_asked_,
            .attempt = attempt_,
            .server_name = server_name_,
            .round = round_};
  }

 private:
  dialogue::Credentials credentials_;
  Endpoint client_;
  Endpoint connected_;
  std::string listener_;
  std::string session_id_;
  bool tls_;
  std::string tls_version_;
  std::string tls_cipher_;
  std::string protocol_;
  bool proxied_;
  std::shared_ptr<const net::CertificateNames> certificate_;
  std::shared_ptr<const net::UnverifiedCertificate> unverified_certificate_;
  bool certificate_asked_;
  unsigned attempt_;
  std::string server_name_;
  std::shared_ptr<const Round> round_;
};

}  // namespace headgate::auth
