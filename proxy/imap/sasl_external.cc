#include <string>

#include "imap/sasl.h"

namespace headgate::imap {
namespace {

// RFC 4422 appendix A: the authorization identity and nothing else; empty: whose the certificate
// is.
class ExternalExchange final : public SaslExchange {
 public:
  SaslStep on_response(const Secret& response) override {
    if (!response.empty() && !acceptable_user(response.view())) {
      return SaslRefused{dialogue::LoginFailure::kAuthorizationRefused};
    }
    return SaslDone{{"EXTERNAL", std::string(response.view()), Secret()}};
  }
};

}  // namespace

SaslMechanism sasl_external() {
  return {"EXTERNAL", make_exchange<ExternalExchange>, true};
}

}  // namespace headgate::imap
