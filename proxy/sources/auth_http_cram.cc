#include "sources/auth_http_cram.h"

#include <algorithm>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "proof/gsasl_server.h"

namespace headgate::sources {
namespace {

using dialogue::LoginFailure;

// The client has its challenge.
class Challenged final : public auth::Conversation {
 public:
  explicit Challenged(std::string salt) : salt_(std::move(salt)) {}
  [[nodiscard]] const std::string& salt() const { return salt_; }

 private:
  const std::string salt_;
};

auth::LookupResult challenge() {
  const auto first = proof::GsaslServer("CRAM-MD5").step("");
  if (!first) {
    return auth::Unavailable{"gsasl has no CRAM-MD5"};
  }
  std::string salt(first->bytes.view());
  auto conversation = std::make_shared<Challenged>(salt);
  return auth::Challenge{std::move(salt), std::move(conversation)};
}

bool is_digest(std::string_view text) {
  constexpr std::size_t kDigits = 32;  // of MD5
  return text.size() == kDigits && std::ranges::all_of(text, [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
         });
}

}  // namespace

std::expected<CramProof, auth::LookupResult> cram_proof(const auth::LoginRequest& request) {
  if (!request.round) {
    // A reload has made the session ask again, and nothing is known here of what was proven.
    return std::unexpected(auth::Rejected{.failure = LoginFailure::kLookupUnavailable,
                                          .detail =
                                              "the configuration changed in the middle of the "
                                              "login"});
  }
  const auto& message = request.round->message;
  const auto* challenged = dynamic_cast<const Challenged*>(request.round->conversation.get());
  if (!message && challenged == nullptr) {
    return std::unexpected(challenge());
  }
  const std::string_view text = message ? message->view() : std::string_view();
  const std::string_view digest = text.substr(std::min(text.rfind(' ') + 1, text.size()));
  if (challenged == nullptr || request.credentials.user.empty() || !is_digest(digest)) {
    return std::unexpected(auth::Rejected{
        .failure = LoginFailure::kWrongCredentials,
        .detail = challenged == nullptr ? "CRAM-MD5: the client spoke first"
                                        : "CRAM-MD5: the message is not understood"});
  }
  return CramProof{challenged->salt(), Secret(digest)};
}

}  // namespace headgate::sources
