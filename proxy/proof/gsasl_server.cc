#include "proof/gsasl_server.h"

#include <gsasl.h>

namespace headgate::proof {
namespace {

// gsasl's list of mechanisms. One a thread, since gsasl promises nothing about sharing it.
Gsasl* library() {
  struct Library {
    Gsasl* context = nullptr;
    Library() { ::gsasl_init(&context); }
    ~Library() {
      if (context != nullptr) {
        ::gsasl_done(context);
      }
    }
    Library(const Library&) = delete;
    Library& operator=(const Library&) = delete;
  };
  thread_local const Library library;
  return library.context;
}

void set(Gsasl_session* session, Gsasl_property property, std::string_view value) {
  if (session != nullptr) {
    // Only running out of memory makes it fail, and then the step finds nothing to judge by.
    ::gsasl_property_set_raw(session, property, value.data(), value.size());
  }
}

std::string_view get(Gsasl_session* session, Gsasl_property property) {
  const char* value = session != nullptr ? ::gsasl_property_fast(session, property) : nullptr;
  return value != nullptr ? value : "";
}

}  // namespace

void GsaslServer::Finish::operator()(Gsasl_session* session) const noexcept {
  // gsasl only frees it.
  const std::string_view password = get(session, GSASL_PASSWORD);
  wipe(const_cast<char*>(password.data()), password.size());
  ::gsasl_finish(session);
}

GsaslServer::GsaslServer(std::string_view mechanism) {
  Gsasl_session* session = nullptr;
  if (library() != nullptr &&
      ::gsasl_server_start(library(), std::string(mechanism).c_str(), &session) == GSASL_OK) {
    session_.reset(session);
  }
}

void GsaslServer::set_password(const Secret& password) {
  set(session_.get(), GSASL_PASSWORD, password.view());
}

std::expected<GsaslServer::Reply, GsaslServer::Failure> GsaslServer::step(
    std::string_view message) {
  if (!session_) {
    return std::unexpected(Failure::kInternal);
  }
  char* out = nullptr;
  std::size_t size = 0;
  const int result = ::gsasl_step(session_.get(), message.data(), message.size(), &out, &size);
  Reply reply{.bytes = Secret(std::string_view(out, out != nullptr ? size : 0)),
              .done = result == GSASL_OK};
  ::gsasl_free(out);
  switch (result) {
    case GSASL_OK:
    case GSASL_NEEDS_MORE:
      return reply;
    case GSASL_NO_PASSWORD:
      return std::unexpected(Failure::kNoSecret);
    case GSASL_AUTHENTICATION_ERROR:
      return std::unexpected(Failure::kWrong);
    case GSASL_MALLOC_ERROR:
    case GSASL_CRYPTO_ERROR:
      return std::unexpected(Failure::kInternal);
    default:
      return std::unexpected(Failure::kMalformed);
  }
}

std::string_view GsaslServer::user() const {
  return get(session_.get(), GSASL_AUTHID);
}

}  // namespace headgate::proof
