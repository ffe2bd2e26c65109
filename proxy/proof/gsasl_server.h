#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <string>
#include <string_view>

#include "base/secret.h"

struct Gsasl_session;

namespace headgate::proof {

// The server's side of a CRAM-MD5 exchange, by GNU gsasl. Blocks nowhere; one thread.
class GsaslServer {
 public:
  // A mechanism that gsasl does not have makes every step fail.
  explicit GsaslServer(std::string_view mechanism);

  // What the client is to be judged by; before the step that needs it.
  void set_password(const Secret& password);

  enum class Failure : std::uint8_t {
    kWrong,      // the client's proof
    kMalformed,  // a message
    kNoSecret,   // the client has said who it is, and nothing is set to judge by
    kInternal,
  };
  struct Reply {
    Secret bytes;
    bool done = false;  // the client has proven who it is
  };
  std::expected<Reply, Failure> step(std::string_view message);

  // Who the client says it is, once a step has read it; else empty.
  [[nodiscard]] std::string_view user() const;

 private:
  struct Finish {
    void operator()(Gsasl_session* session) const noexcept;
  };
  std::unique_ptr<Gsasl_session, Finish> session_;
};

}  // namespace headgate::proof
