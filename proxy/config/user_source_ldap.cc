#include <fmt/format.h>

#include <algorithm>

#include "base/ascii.h"
#include "config/scalars.h"
#include "config/user_sources.h"

namespace headgate::config {
namespace {

using namespace std::chrono_literals;

const Choices<LdapScope> kScopes = {
    {"subtree", LdapScope::kSubtree}, {"one", LdapScope::kOne}, {"base", LdapScope::kBase}};
const Choices<LdapPasswords> kPasswords = {{"bind", LdapPasswords::kBind},
                                           {"fetch", LdapPasswords::kFetch},
                                           {"backend", LdapPasswords::kBackend}};

// "ldap://HOST", "ldaps://[::1]:636": no more of RFC 4516 than that.
bool is_url(const std::string& url) {
  for (const std::string_view scheme : {"ldap://", "ldaps://"}) {
    if (url.starts_with(scheme)) {
      const std::string place = url.substr(scheme.size());
      return !place.empty() && place.find_first_of("/? ") == std::string::npos &&
             (HostPort::parse(place) || HostPort::parse(place + ":389"));
    }
  }
  return false;
}

// Behind "x-forward-", within the 30 bytes that RFC 2971 allows a field's name.
constexpr std::size_t kLongestForwardedKey = 20;
constexpr std::size_t kMostForwarded = 8;

bool is_forwarded_key(std::string_view key) {
  return !key.empty() && key.size() <= kLongestForwardedKey && std::ranges::all_of(key, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_';
  });
}

void check_forward(Reader& reader, const std::string& path,
                   const std::vector<LdapForward>& forward) {
  if (forward.size() > kMostForwarded) {
    reader.refuse(path,
                  fmt::format("at most {} attributes, found {}", kMostForwarded, forward.size()));
    return;
  }
  for (std::size_t i = 0; i < forward.size(); ++i) {
    const std::string place = fmt::format("{}[{}].key", path, i);
    const std::string& key = forward[i].key;
    if (key.empty()) {
      continue;  // refused already
    }
    const auto same = [&key](const LdapForward& other) {
      return equals_ignoring_case(other.key, key);
    };
    if (!is_forwarded_key(key)) {
      reader.refuse(place, fmt::format("1 to {} letters, digits, '-' and '_', found '{}'",
                                       kLongestForwardedKey, key));
    } else if (std::any_of(forward.begin(), forward.begin() + static_cast<std::ptrdiff_t>(i),
                           same)) {
      reader.refuse(place, fmt::format("each key once, found '{}' again", key));
    }
  }
}

Type<LdapForward> forward_type() {
  return section<LdapForward>({
      key("key", &LdapForward::key, text("1 to 20 letters, digits, '-' and '_'"),
          "What backends know it by, behind x-forward-.", {.required = true, .example = "tier"}),
      key("attribute", &LdapForward::attribute, text("the name of an attribute"),
          "Attribute with its value.", {.required = true, .example = "mailTier"}),
  });
}

void check_ldap(Reader& reader, const std::string& path, const Ldap& ldap) {
  for (std::size_t i = 0; i < ldap.servers.size(); ++i) {
    const std::string& url = ldap.servers[i];
    const std::string place = fmt::format("{}.servers[{}]", path, i);
    if (!url.empty() && !is_url(url)) {
      reader.refuse(place,
                    fmt::format("ldap://HOST[:PORT] or ldaps://HOST[:PORT], found '{}'", url));
    } else if (ldap.starttls && url.starts_with("ldaps://")) {
      reader.refuse(place, "an ldap:// server with starttls, found one with TLS from the start");
    }
    const auto end = ldap.servers.begin() + static_cast<std::ptrdiff_t>(i);
    if (!url.empty() && std::find(ldap.servers.begin(), end, url) != end) {
      reader.refuse(place, fmt::format("another server, found '{}' again", url));
    }
  }
  const bool has_password =
      reader.has(path + ".bind_password") || reader.has(path + ".bind_password_file");
  if (reader.has(path + ".bind_password") && reader.has(path + ".bind_password_file")) {
    reader.refuse(path + ".bind_password_file", "either bind_password or bind_password_file");
  }
  if (has_password != reader.has(path + ".bind_dn")) {
    reader.refuse(path + ".bind_dn", "bind_dn and its password, or neither");
  }
  check_forward(reader, path + ".forward_attributes", ldap.forward_attributes);
  for (const char* attribute : {".password_attribute", ".app_password_attribute"}) {
    if (ldap.passwords != LdapPasswords::kFetch && reader.has(path + attribute)) {
      reader.refuse(path + attribute, "nothing unless passwords is fetch");
    }
  }
}

std::vector<Key<Ldap>> server_keys() {
  return {
      key("servers", &Ldap::servers,
          list_of(text("ldap://HOST[:PORT] or ldaps://HOST[:PORT]"),
                  "a list of at least one server", 1),
          "Servers with the same users. Asked in this order when those before do not answer.",
          {.required = true, .example = R"(["ldaps://ldap1.example.org"])"}),
      key("hedge_after", &Ldap::hedge_after, duration(0ms, 1min),
          "How long a server may be silent until the next one is asked as well; the first answer "
          "counts. 0ms: until it has had its share of the deadline."),
      key("starttls", &Ldap::starttls, boolean(), "TLS by StartTLS on ldap:// servers."),
      key("verify", &Ldap::verify, boolean(),
          "Whether a server must show a valid certificate for its host name."),
      key("ca", &Ldap::ca, file("a PEM file that can be read"),
          "PEM file with the authorities to trust. Not set: the system's.", {.example = "ca.pem"}),
      key("bind_dn", &Ldap::bind_dn, text("a distinguished name", 1024),
          "Whom to search as. Not set: anonymous.",
          {.example = R"("cn=headgate,dc=example,dc=org")"}),
      key("bind_password", &Ldap::bind_password, secret(), "Password of this one.",
          {.secret = true, .example = "secret"}),
      key("bind_password_file", &Ldap::bind_password, secret_file(),
          "File whose first line is the password.", {.secret = true, .example = "ldap.password"}),
      key("connections", &Ldap::connections, number(1U, 256U),
          "Connections to each server, each with a thread of its own, for all workers together; "
          "with passwords bind each is two. Made when the server is first asked."),
  };
}

std::vector<Key<Ldap>> search_keys() {
  return {
      key("base", &Ldap::base, text("a distinguished name", 1024), "Where the users are.",
          {.required = true, .example = R"("ou=people,dc=example,dc=org")"}),
      key("scope", &Ldap::scope, choice(kScopes), "How deep below the base."),
      key("filter", &Ldap::filter, text("a search filter", 4096),
          "Finds a user's one entry. Placeholders: {user}, {local_part}, {domain}.",
          {.required = true, .example = R"x("(mail={user})")x"}),
      key("passwords", &Ldap::passwords, choice(kPasswords),
          "bind: the server checks them, in a bind as the user. fetch: Headgate does, with the "
          "hash "
          "in password_attribute. backend: the backend does."),
      key("password_attribute", &Ldap::password_attribute, text("the name of an attribute"),
          "fetch: which attribute has the hash, or several of them, each of which is good."),
      key("app_password_attribute", &Ldap::app_password_attribute, text("the name of an attribute"),
          "fetch: which attribute has the hashes of application passwords. Not set: none.",
          {.example = "appPassword"}),
      key("totp_attribute", &Ldap::totp_attribute, text("the name of an attribute"),
          "Attribute with the secret of the user's authenticator, in base32; who has it appends "
          "the "
          "code to the password. Not set: none.",
          {.example = "totpSecret"}),
      key("user_attribute", &Ldap::user_attribute, text("the name of an attribute"),
          "Attribute with the name for the backend login. Not set: the name that the client gave.",
          {.example = "uid"}),
      key("pool_attribute", &Ldap::pool_attribute, text("the name of an attribute"),
          "Attribute with the name of a pool.", {.example = "departmentNumber"}),
      key("backend_attribute", &Ldap::backend_attribute, text("the name of an attribute"),
          "Attribute with the backend, as HOST:PORT or HOST.", {.example = "mailHost"}),
      key("backend_port", &Ldap::backend_port, number(1U, 65535U),
          "Port of a backend that is named without one."),
      key("max_sessions_attribute", &Ldap::max_sessions_attribute, text("the name of an attribute"),
          "Attribute with the number of sessions that the user may have at a time, instead of what "
          "limits says for every user; 0: any number. Not set: none.",
          {.example = "mailMaxSessions"}),
      key("forward_attributes", &Ldap::forward_attributes,
          list_of(forward_type(), "a list of keys and attributes"),
          "What backends are told by the ID command as x-forward-KEY, where the pool has "
          "forward_client id."),
  };
}

}  // namespace

Type<Ldap> ldap_type() {
  std::vector<Key<Ldap>> keys = server_keys();
  for (Key<Ldap>& each : search_keys()) {
    keys.push_back(std::move(each));
  }
  return section<Ldap>(std::move(keys), check_ldap);
}

}  // namespace headgate::config
