#pragma once

#include <chrono>
#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/secret.h"
#include "proof/json_web_token.h"

namespace headgate::proof {

// The keys that an issuer's tokens are checked with, as last fetched. They are fetched when the
// first token comes, again in the background when they have become old, and at once for a token
// whose key is not among them, though not for each of a storm of such. Where fetching fails the old
// ones hold on for a while. One object per worker.
class TokenKeys {
 public:
  // The text of a JSON Web Key Set, or why there is none. May come at once; never after the owner
  // of the fetcher has gone.
  using Fetched = std::function<void(std::expected<Secret, std::string>)>;
  using Fetch = std::function<void(Fetched)>;
  using Clock = std::function<std::uint64_t()>;  // monotonic milliseconds

  struct Options {
    std::string source;  // for the log
    std::chrono::milliseconds refresh_every{std::chrono::hours(1)};
    std::chrono::milliseconds kept_for{std::chrono::hours(24)};  // where they cannot be refreshed
    std::chrono::milliseconds retry_after{1000};                 // behind a fetch that failed
    std::chrono::milliseconds unknown_every{10000};  // between fetches for keys that are unknown
  };
  // Tokens that wait for a fetch at a time; those with an unknown key alone, which anybody can
  // make.
  static constexpr std::size_t kMostWaiting = 32;

  enum class Verdict {
    kGood,
    kBad,         // not signed by a key of the issuer
    kCannotTell,  // its key is unknown, and newer keys could not be fetched
    kNoKeys,      // there are none
  };
  using Done = std::function<void(Verdict)>;

  TokenKeys(Clock clock, Fetch fetch, Options options)
      : clock_(std::move(clock)), fetch_(std::move(fetch)), options_(std::move(options)) {}
  TokenKeys(const TokenKeys&) = delete;
  TokenKeys& operator=(const TokenKeys&) = delete;

  // `done` is called once, perhaps before this returns.
  void verify(std::shared_ptr<const JsonWebToken> token, Done done);
  // Why the last fetch failed; empty: it did not.
  [[nodiscard]] const std::string& error() const { return error_; }

 private:
  struct Waiting {
    std::shared_ptr<const JsonWebToken> token;
    Done done;
  };
  [[nodiscard]] bool has_keys(std::uint64_t now) const;
  [[nodiscard]] JsonWebKeySet::Verdict judge(const JsonWebToken& token, std::uint64_t now) const;
  [[nodiscard]] Verdict final_verdict(const JsonWebToken& token) const;
  bool may_fetch_for_unknown(std::uint64_t now);
  void fetch(std::uint64_t now);
  void on_fetched(std::expected<Secret, std::string> text);

  const Clock clock_;
  const Fetch fetch_;
  const Options options_;
  std::optional<JsonWebKeySet> keys_;
  Secret text_;  // that they were read from
  std::uint64_t fetched_ms_ = 0;
  std::uint64_t retry_ms_ = 0;         // no fetch before this time
  std::uint64_t next_unknown_ms_ = 0;  // no fetch for an unknown key before this time
  bool fetching_ = false;
  std::string error_;
  std::vector<Waiting> waiting_;
};

}  // namespace headgate::proof
