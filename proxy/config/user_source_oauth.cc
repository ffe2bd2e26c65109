#include <fmt/format.h>

#include "config/scalars.h"
#include "config/user_sources.h"

namespace headgate::config {

using namespace std::chrono_literals;

namespace {

// Whoever sits between Headgate and such a server could say that any token is good.
void check_place(Reader& reader, const std::string& path, const std::optional<Url>& url) {
  if (!url || url->tls || !reader.good(path)) {
    return;
  }
  const auto address = Endpoint::parse(url->address.to_string());
  const bool own = url->address.host == "localhost" ||
                   (address && (address->ip.to_string() == "::1" ||
                                address->ip.to_string().starts_with("127.")));
  if (!own) {
    reader.refuse(
        path, fmt::format("https, or http to a loopback address, found '{}'", url->to_string()));
  }
}

void check_introspection(Reader& reader, const std::string& path, const Introspection& asked) {
  check_place(reader, path + ".url", asked.url);
  const bool secret = reader.has(path + ".client_secret");
  const bool secret_file = reader.has(path + ".client_secret_file");
  if (secret && secret_file) {
    reader.refuse(path + ".client_secret_file", "either client_secret or client_secret_file");
  }
  if ((secret || secret_file) != reader.has(path + ".client_id")) {
    reader.refuse(path + ".client_id", "client_id and its secret, or neither");
  }
}

void check_oauth(Reader& reader, const std::string& path, const Oauth& oauth) {
  const bool file = reader.has(path + ".keys");
  const bool url = reader.has(path + ".keys_url");
  if (!file && !url && !reader.has(path + ".introspection")) {
    reader.refuse(path, "keys, keys_url or introspection, or both ways together, found neither");
  }
  if (file && url) {
    reader.refuse(path + ".keys_url", "either keys or keys_url");
  }
  if (!url && reader.has(path + ".keys_ttl")) {
    reader.refuse(path + ".keys_ttl", "nothing without keys_url");
  }
  check_place(reader, path + ".keys_url", oauth.keys_url);
  // The issuer signs tokens for everybody who works with it, not for Headgate alone.
  const auto missing = [&](const std::string& key, const std::vector<std::string>& list) {
    return list.empty() && (reader.good(key) || !reader.has(key));
  };
  if ((file || url) && missing(path + ".issuer", oauth.issuer)) {
    reader.refuse(path + ".issuer", "at least one issuer with keys, found none");
  }
  if ((file || url) && missing(path + ".audience", oauth.audience)) {
    reader.refuse(path + ".audience",
                  "at least one audience with keys, since a token made for any other service would "
                  "be let in, found none");
  }
}

Type<Introspection> introspection_type() {
  return section<Introspection>(
      {
          key("url", &Introspection::url, url(), "The introspection endpoint (RFC 7662).",
              {.required = true, .example = R"("https://login.example.org/introspect")"}),
          key("client_id", &Introspection::client_id, text("a client id", 1024),
              "Whom Headgate is to the server, in HTTP's basic authentication. Not set: nobody.",
              {.example = "headgate"}),
          key("client_secret", &Introspection::client_secret, secret(), "Password of this one.",
              {.secret = true, .example = "secret"}),
          key("client_secret_file", &Introspection::client_secret, secret_file(),
              "File whose first line is the password.",
              {.secret = true, .example = "oauth.secret"}),
      },
      check_introspection);
}

}  // namespace

Type<Oauth> oauth_type() {
  return section<Oauth>(
      {
          key("issuer", &Oauth::issuer, list_of(text("an issuer", 1024), "a list of issuers"),
              "Tokens of these issuers are good (claim iss). Needed with keys.",
              {.example = R"(["https://login.example.org"])"}),
          key("audience", &Oauth::audience, list_of(text("an audience", 1024), "a list of names"),
              "Tokens made for one of these are good (claim aud). Needed with keys.",
              {.example = R"(["imap.example.org"])"}),
          key("scopes", &Oauth::scopes, list_of(text("a scope", 1024), "a list of scopes"),
              "What a token must allow, all of it (claim scope or scp).", {.example = "[imap]"}),
          key("keys", &Oauth::keys, file("a file that can be read"),
              "The issuer's public keys: a JSON Web Key Set (RFC 7517). Read again when it "
              "changes.",
              {.example = "jwks.json"}),
          key("keys_url", &Oauth::keys_url, url(), "The same, from the issuer.",
              {.example = R"("https://login.example.org/jwks")"}),
          key("keys_ttl", &Oauth::keys_ttl, duration(10s, 24h),
              "How old they may become before they are fetched again. A token with a new key makes "
              "that happen at once, though not more often than every 10 seconds."),
          key("introspection", &Oauth::introspection, introspection_type(),
              "A server to ask about each token. With keys: about those alone whose signature is "
              "good, and those that have none."),
          key("user_claim", &Oauth::user_claim, text("the name of a claim", 256),
              "The claim with the user's name."),
          key("match_user", &Oauth::match_user, boolean(),
              "Whether the name that the client gives must be that of the token, without regard to "
              "the case of ASCII letters. false: the token's counts."),
          key("leeway", &Oauth::leeway, duration(0s, 10min),
              "How far clocks may differ when a token begins and ends."),
          key("timeout", &Oauth::timeout, duration(50ms, 10s), "Time for a server's answer."),
          key("ca", &Oauth::ca, file("a PEM file that can be read"),
              "PEM file with the authorities to trust. Not set: the system's.",
              {.example = "ca.pem"}),
      },
      check_oauth);
}

}  // namespace headgate::config
