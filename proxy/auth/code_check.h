#pragma once

#include <memory>
#include <optional>
#include <string_view>

#include "auth/user_source.h"
#include "base/secret.h"
#include "proof/one_time_code.h"

namespace headgate::auth {

// How codes are asked for.
struct CodeRules {
  std::shared_ptr<proof::UsedCodes> used = std::make_shared<proof::UsedCodes>();
  bool apps = true;  // with application passwords too
};

// One login of a user who may have to give a code.
class CodeCheck {
 public:
  // `secret`: null where the user has none. `login` as for UsedCodes. What is given must live
  // longer than this object.
  CodeCheck(const CodeRules& rules, const proof::TotpSecret* secret, const Secret& given,
            std::string_view login);

  // What the user's own password, or one of an application, is compared with.
  [[nodiscard]] const Secret& password(bool app) const {
    return needs_code(app) ? parts_.password : given_;
  }
  // The answer for the route that a password has opened; nullopt: none has. A code that is missing
  // or not good is a wrong password for the client, and takes the same time but for the comparison
  // of a few bytes.
  [[nodiscard]] LookupResult answer(std::optional<Route> route) const;

 private:
  [[nodiscard]] bool needs_code(bool app) const {
    return secret_ != nullptr && (!app || rules_.apps);
  }

  const CodeRules& rules_;
  const proof::TotpSecret* secret_;
  const Secret& given_;
  std::string_view login_;
  proof::PasswordAndCode parts_;
};

}  // namespace headgate::auth
