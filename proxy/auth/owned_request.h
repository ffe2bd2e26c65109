#pragma once

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
        tls_(request.tls) {}

  // Refers to this object.
  [[nodiscard]] LoginRequest view() const {
    return {.credentials = credentials_,
            .client = client_,
            .connected = connected_,
            .listener = listener_,
            .session_id = session_id_,
            .tls = tls_};
  }

 private:
  dialogue::Credentials credentials_;
  Endpoint client_;
  Endpoint connected_;
  std::string listener_;
  std::string session_id_;
  bool tls_;
};

}  // namespace headgate::auth
