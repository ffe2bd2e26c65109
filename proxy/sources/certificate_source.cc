#include "sources/certificate_source.h"

#include <utility>

#include "base/ascii.h"
#include "base/name_template.h"

namespace headgate::sources {
void CertificateSource::look_up(const auth::LoginRequest& request, Callback done) {
  const auto user = request.certificate ? user_of(*request.certificate) : std::nullopt;
  if (!user) {
    if (!last_) {
      done(auth::UnknownHere{});
      return;
    }
    auth::Rejected refused{dialogue::LoginFailure::kWrongCredentials};
    refused.detail = "the certificate names no user by the source's rule";
    done(std::move(refused));
    return;
  }
  const std::string& wanted = request.credentials.user;
  if (!wanted.empty() && !equals_ignoring_case(wanted, *user)) {
    auth::Rejected refused{dialogue::LoginFailure::kAuthorizationRefused};
    refused.detail = "the certificate is that of " + *user;
    done(std::move(refused));
    return;
  }
  auth::Route route;
  route.user = *user;
  route.name = *user;
  route.use_master = true;
  done(auth::Accepted{std::move(route)});
}

std::optional<std::string> CertificateSource::user_of(const net::CertificateNames& names) const {
  for (const std::string& name : names.of(options_->field)) {
    if (!options_->pattern) {
      return name;
    }
    const std::string_view whole = name;
    std::match_results<std::string_view::const_iterator> match;
    if (std::regex_match(whole.begin(), whole.end(), match, *options_->pattern)) {
      std::string user =
          options_->rewrite.empty() ? name : fill_name_template(options_->rewrite, name, match);
      if (!user.empty()) {
        return user;
      }
    }
  }
  return std::nullopt;
}

auth::LookupResult CertificateSource::explain(std::string_view user) {
  net::CertificateNames names;
  names.fields[static_cast<std::size_t>(options_->field)].emplace_back(user);
  const auto found = user_of(names);
  if (!found) {
    return auth::UnknownHere{};
  }
  auth::Route route;
  route.user = *found;
  route.use_master = true;
  return auth::Accepted{std::move(route)};
}

}  // namespace headgate::sources
