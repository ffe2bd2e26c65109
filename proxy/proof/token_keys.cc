#include "proof/token_keys.h"

#include <utility>

#include "base/log.h"

namespace headgate::proof {
namespace {

std::uint64_t ms(std::chrono::milliseconds duration) {
  return static_cast<std::uint64_t>(duration.count());
}

}  // namespace

bool TokenKeys::has_keys(std::uint64_t now) const {
  return keys_ && now - fetched_ms_ < ms(options_.kept_for);
}

// Without keys every key is unknown.
JsonWebKeySet::Verdict TokenKeys::judge(const JsonWebToken& token, std::uint64_t now) const {
  return has_keys(now) ? keys_->verify(token) : JsonWebKeySet::Verdict::kUnknownKey;
}

TokenKeys::Verdict TokenKeys::final_verdict(const JsonWebToken& token) const {
  const std::uint64_t now = clock_();
  if (!has_keys(now)) {
    return Verdict::kNoKeys;
  }
  switch (judge(token, now)) {
    case JsonWebKeySet::Verdict::kGood:
      return Verdict::kGood;
    case JsonWebKeySet::Verdict::kBad:
      return Verdict::kBad;
    case JsonWebKeySet::Verdict::kUnknownKey:
      break;
  }
  return error_.empty() ? Verdict::kBad : Verdict::kCannotTell;
}

void TokenKeys::verify(std::shared_ptr<const JsonWebToken> token, Done done) {
  const std::uint64_t now = clock_();
  const JsonWebKeySet::Verdict first = judge(*token, now);
  if (first != JsonWebKeySet::Verdict::kUnknownKey) {
    if (now - fetched_ms_ >= ms(options_.refresh_every)) {
      fetch(now);  // nobody waits for it
    }
    done(first == JsonWebKeySet::Verdict::kGood ? Verdict::kGood : Verdict::kBad);
    return;
  }
  const bool wait = has_keys(now) ? may_fetch_for_unknown(now) : fetching_ || now >= retry_ms_;
  if (!wait) {
    done(final_verdict(*token));
    return;
  }
  waiting_.push_back({std::move(token), std::move(done)});
  fetch(now);
}

bool TokenKeys::may_fetch_for_unknown(std::uint64_t now) {
  if (fetching_) {
    return waiting_.size() < kMostWaiting;
  }
  if (now < retry_ms_ || now < next_unknown_ms_) {
    return false;
  }
  next_unknown_ms_ = now + ms(options_.unknown_every);
  return true;
}

void TokenKeys::fetch(std::uint64_t now) {
  if (fetching_ || now < retry_ms_) {
    return;
  }
  fetching_ = true;
  fetch_([this](std::expected<Secret, std::string> text) { on_fetched(std::move(text)); });
}

void TokenKeys::on_fetched(std::expected<Secret, std::string> text) {
  fetching_ = false;
  const std::uint64_t now = clock_();
  if (text && !(keys_ && text->equals(text_.view()))) {
    if (auto keys = JsonWebKeySet::parse(text->view())) {
      keys_ = *std::move(keys);
      text_ = std::move(*text);
      log::info("token keys read",
                {{"source", options_.source}, {"keys", std::uint64_t{keys_->size()}}});
    } else {
      text = std::unexpected(std::move(keys.error()));
    }
  }
  if (text) {
    fetched_ms_ = now;
    error_.clear();
  } else {
    if (error_.empty()) {
      log::warning("token keys could not be read",
                   {{"source", options_.source}, {"error", text.error()}});
    }
    retry_ms_ = now + ms(options_.retry_after);
    error_ = std::move(text.error());
  }
  for (const Waiting& one : std::exchange(waiting_, {})) {
    one.done(final_verdict(*one.token));
  }
}

}  // namespace headgate::proof
