#include "proof/token_claims.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/ascii.h"
#include "base/printable.h"

namespace headgate::proof {
namespace {

using dialogue::LoginFailure;
using nlohmann::json;

constexpr std::size_t kLongestUser = 512;
constexpr std::size_t kMostWords = 256;  // of a scope or an audience
constexpr double kLastSecond = 1e12;     // no token lives longer, and no sum overflows

// The error of one member.
std::unexpected<std::string> wrong(std::string_view member, std::string_view expected) {
  return std::unexpected(fmt::format("expected {} as {}", expected, printable(member, 64)));
}

std::vector<std::string> words_of(std::string_view text) {
  std::vector<std::string> words;
  while (!text.empty() && words.size() < kMostWords) {
    const std::size_t end = std::min(text.find(' '), text.size());
    if (end > 0) {
      words.emplace_back(text.substr(0, end));
    }
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return words;
}

// The members of one JSON object, each of the type that is asked for. The first that is of another
// one is the error.
class Members {
 public:
  explicit Members(const json& object) : object_(object) {}

  void read(std::string_view name, std::string& out) {
    if (const json* value = find(name)) {
      const auto* text = value->get_ptr<const std::string*>();
      text != nullptr ? static_cast<void>(out = *text) : fail(name, "a string");
    }
  }

  void read(std::string_view name, bool& out) {
    if (const json* value = find(name)) {
      const auto* flag = value->get_ptr<const bool*>();
      flag != nullptr ? static_cast<void>(out = *flag) : fail(name, "true or false");
    }
  }

  // NumericDate: seconds, perhaps with a fraction.
  void read(std::string_view name, std::optional<std::int64_t>& out) {
    if (const json* value = find(name)) {
      const double seconds = value->is_number() ? value->get<double>() : -1;
      if (!(seconds >= 0 && seconds <= kLastSecond)) {
        fail(name, "a time in seconds");
      } else {
        out = static_cast<std::int64_t>(seconds);
      }
    }
  }

  // A string, or an array of strings. `split`: a string is words with spaces between.
  void read(std::string_view name, std::vector<std::string>& out, bool split) {
    const json* value = find(name);
    if (value == nullptr) {
      return;
    }
    if (const auto* text = value->get_ptr<const std::string*>()) {
      out = split ? words_of(*text) : std::vector{*text};
      return;
    }
    bool good = value->is_array() && value->size() <= kMostWords;
    for (std::size_t i = 0; good && i < value->size(); ++i) {
      const auto* word = (*value)[i].get_ptr<const std::string*>();
      good = word != nullptr;
      if (good) {
        out.push_back(*word);
      }
    }
    if (!good) {
      fail(name, "a string or a list of strings");
    }
  }

  [[nodiscard]] const std::optional<std::string>& error() const { return error_; }

 private:
  // null is as good as not there.
  [[nodiscard]] const json* find(std::string_view name) const {
    const auto found = object_.find(name);
    return found != object_.end() && !found->is_null() ? &*found : nullptr;
  }
  void fail(std::string_view name, std::string_view expected) {
    if (!error_) {
      error_ = wrong(name, expected).error();
    }
  }

  const json& object_;
  std::optional<std::string> error_;
};

bool is_user_name(std::string_view name) {
  return !name.empty() && name.size() <= kLongestUser && std::ranges::all_of(name, [](char c) {
    return static_cast<unsigned char>(c) >= 0x20 && c != '\x7f';
  });
}

bool has_any(const std::vector<std::string>& words, const std::vector<std::string>& wanted) {
  return std::ranges::any_of(words, [&](const std::string& word) {
    return std::ranges::find(wanted, word) != wanted.end();
  });
}

TokenFault fault(std::string why, LoginFailure failure = LoginFailure::kWrongCredentials) {
  return {failure, std::move(why)};
}

std::optional<TokenFault> fault_in_time(const TokenClaims& claims, const TokenRules& rules,
                                        std::int64_t now, bool must_expire) {
  const std::int64_t leeway = rules.leeway.count();
  if (must_expire && !claims.expires) {
    return fault("the token has no end (exp)");
  }
  if (claims.expires && now >= *claims.expires + leeway) {
    return fault(fmt::format("the token ended {} s ago", now - *claims.expires));
  }
  if (claims.not_before && now + leeway < *claims.not_before) {
    return fault(fmt::format("the token begins in {} s", *claims.not_before - now));
  }
  return std::nullopt;
}

std::optional<TokenFault> fault_in_user(const TokenClaims& claims, const TokenRules& rules,
                                        std::string_view named) {
  if (!is_user_name(claims.user)) {
    return fault(fmt::format("the token names no user in {}", rules.user_claim));
  }
  if (rules.match_user && !named.empty() && !equals_ignoring_case(named, claims.user)) {
    return fault(fmt::format("the token is of {}", printable(claims.user)),
                 LoginFailure::kAuthorizationRefused);
  }
  return std::nullopt;
}

}  // namespace

std::expected<TokenClaims, std::string> TokenClaims::parse(std::string_view text,
                                                           std::string_view user_claim) {
  const json object = json::parse(text, nullptr, false);
  if (!object.is_object()) {
    return std::unexpected("expected a JSON object");
  }
  TokenClaims claims;
  Members members(object);
  members.read("active", claims.active);
  members.read("iss", claims.issuer);
  members.read("aud", claims.audience, false);
  members.read(object.contains("scope") ? "scope" : "scp", claims.scopes, true);
  members.read("exp", claims.expires);
  members.read("nbf", claims.not_before);
  members.read(user_claim, claims.user);
  if (members.error()) {
    return std::unexpected(*members.error());
  }
  // OpenID Connect Core 5.1: then anybody may have written it there.
  bool verified = true;
  members.read("email_verified", verified);
  if (user_claim == "email" && (!verified || members.error())) {
    claims.user.clear();
  }
  return claims;
}

std::optional<TokenFault> fault_of(const TokenClaims& claims, const TokenRules& rules,
                                   std::string_view named, std::int64_t now, bool must_expire) {
  if (auto fault = fault_in_time(claims, rules, now, must_expire)) {
    return fault;
  }
  if (!rules.issuers.empty() &&
      std::ranges::find(rules.issuers, claims.issuer) == rules.issuers.end()) {
    return fault(fmt::format("the token is from '{}'", printable(claims.issuer)));
  }
  if (!rules.audience.empty() && !has_any(claims.audience, rules.audience)) {
    return fault(fmt::format("the token is for '{}'",
                             printable(fmt::format("{}", fmt::join(claims.audience, " ")))));
  }
  for (const std::string& scope : rules.scopes) {
    if (std::ranges::find(claims.scopes, scope) == claims.scopes.end()) {
      return fault(fmt::format("the token lacks the scope '{}'", scope),
                   LoginFailure::kAuthorizationRefused);
    }
  }
  return fault_in_user(claims, rules, named);
}

}  // namespace headgate::proof
