#include "imap/client_login_profile.h"

#include <algorithm>
#include <utility>

#include "imap/capability_list.h"
#include "imap/quoting.h"
#include "imap/syntax.h"

namespace headgate::imap {

namespace {

// A mechanism whose capability is taken away is none.
ClientLoginOptions without_removed(ClientLoginOptions options) {
  std::erase_if(options.mechanisms, [&](const SaslMechanism& mechanism) {
    return std::ranges::any_of(options.capabilities_remove, [&](const std::string& capability) {
      return equals_ignoring_case(capability, "AUTH=" + mechanism.name);
    });
  });
  return options;
}

}  // namespace

ClientLoginProfile::ClientLoginProfile(ClientLoginOptions options)
    : options_(without_removed(std::move(options))),
      capabilities_clear_(make_capabilities(false, false, false)) {
  for (const bool certified : {false, true}) {
    for (const bool bound : {false, true}) {
      const std::size_t at = kind(certified, bound);
      capabilities_secure_[at] = make_capabilities(true, certified, bound);
      greetings_[at] = make_greeting(capabilities(options_.secure, certified, bound));
    }
  }
}

std::string ClientLoginProfile::make_greeting(const std::string& capabilities) const {
  std::string greeting = "* OK [CAPABILITY " + capabilities + "] ";
  append_line_text(options_.greeting, greeting);
  return greeting + "\r\n";
}

const SaslMechanism* ClientLoginProfile::find_mechanism(std::string_view name) const {
  for (const SaslMechanism& mechanism : options_.mechanisms) {
    if (equals_ignoring_case(mechanism.name, name)) {
      return &mechanism;
    }
  }
  return nullptr;
}

// Only what Headgate itself keeps: IMAP4rev2 and all of the authenticated state are the backend's
// to promise, and the client has the backend's list as soon as it is logged in. LITERAL+ and not
// LITERAL-, since a longer literal is read and refused rather than cut off.
std::string ClientLoginProfile::make_capabilities(bool secure, bool certified, bool bound) const {
  CapabilityList list("IMAP4rev1 SASL-IR LITERAL+ ID ENABLE");
  if (secure) {
    for (const SaslMechanism& mechanism : options_.mechanisms) {
      if ((certified || !mechanism.by_certificate) && (bound || !mechanism.tied)) {
        list.add("AUTH=" + mechanism.name);
      }
    }
  } else if (options_.tls_available) {
    list.add("STARTTLS");
  }
  if (!secure || !options_.login_command) {
    list.add("LOGINDISABLED");
  }
  for (const std::string& capability : options_.capabilities_add) {
    // A mechanism in the clear would be announced only to be refused.
    if (secure || !starts_with_ignoring_case(capability, "AUTH=")) {
      list.add(capability);
    }
  }
  for (const std::string& capability : options_.capabilities_remove) {
    list.remove(capability);
  }
  return list.text();
}

}  // namespace headgate::imap
