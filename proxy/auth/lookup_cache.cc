#include "auth/lookup_cache.h"

#include <memory>
#include <utility>
#include <variant>

namespace headgate::auth {
namespace {

// Takes the same time wherever the difference is.
bool same(const net::Key& one, const net::Key& other) {
  unsigned char difference = 0;
  for (std::size_t i = 0; i < one.size(); ++i) {
    difference |= static_cast<unsigned char>(one[i] ^ other[i]);
  }
  return difference == 0;
}

// Whether the answer is about this password alone, so that another one may still be right.
bool is_wrong_password(const LookupResult& result) {
  const auto* rejected = std::get_if<Rejected>(&result);
  return rejected != nullptr && rejected->failure == dialogue::LoginFailure::kWrongCredentials;
}

// The cache keeps no password that the source gives out, and nothing that holds for one login
// alone, since it had a one-time code.
bool is_for_now(const LookupResult& result) {
  const auto* accepted = std::get_if<Accepted>(&result);
  return accepted != nullptr &&
         (accepted->route.password != nullptr || accepted->route.code_length != 0);
}

bool is_no_answer(const LookupResult& result) {
  const auto* rejected = std::get_if<Rejected>(&result);
  // A code that is refused now may be good in a moment.
  return std::holds_alternative<Unavailable>(result) || std::holds_alternative<AskAgain>(result) ||
         std::holds_alternative<Known>(result) ||  // the cache keeps nothing to judge by
         (rejected != nullptr && rejected->factor) ||
         (rejected != nullptr && rejected->failure == dialogue::LoginFailure::kLookupUnavailable);
}

}  // namespace

LookupCache::LookupCache(const CacheOptions& options) : options_(options) {
  for (std::size_t i = 0; i < kShards; ++i) {
    shards_.push_back(std::make_unique<Shard>((options.entries + kShards - 1) / kShards));
  }
}

LookupCache::Question LookupCache::question(const LoginRequest& request) const {
  const dialogue::Credentials& credentials = request.credentials;
  Question question;
  // No field holds a NUL: see Credentials, and names of listeners are words.
  question.name_ = credentials.user;
  question.name_.append(1, '\0').append(request.listener);
  question.name_.append(1, '\0').append(credentials.mechanism);
  question.password_ = net::keyed_hash(key_, {question.name_, credentials.secret.view()});
  question.shard_ = std::hash<std::string>()(question.name_) % kShards;
  return question;
}

std::optional<LookupResult> LookupCache::find(const Question& question, Clock::time_point now) {
  Shard& shard = *shards_[question.shard_];
  const std::lock_guard lock(shard.mutex);
  for (auto* answers : {&shard.positive, &shard.negative}) {
    const Answer* answer = answers->find(question.name_);
    if (answer != nullptr && now < answer->expires && same(answer->password, question.password_)) {
      return answer->result;
    }
  }
  return std::nullopt;
}

void LookupCache::learn(const Question& question, const LookupResult& result,
                        Clock::time_point now) {
  if (is_no_answer(result) || question.name_.size() > kLongestName) {
    return;
  }
  Shard& shard = *shards_[question.shard_];
  const std::lock_guard lock(shard.mutex);
  const std::size_t before = shard.positive.size() + shard.negative.size();
  if (is_for_now(result)) {
    shard.positive.erase(question.name_);
    shard.negative.erase(question.name_);
  } else if (std::holds_alternative<Accepted>(result)) {
    shard.positive.put(question.name_, {question.password_, result, now + options_.ttl});
    shard.negative.erase(question.name_);
  } else {
    const Answer* known = shard.positive.find(question.name_);
    if (known != nullptr &&
        (!is_wrong_password(result) || same(known->password, question.password_))) {
      shard.positive.erase(question.name_);
    }
    if (options_.negative_ttl.count() > 0) {
      shard.negative.put(question.name_, {question.password_, result, now + options_.negative_ttl});
    }
  }
  // Wraps around on purpose where the part has shrunk.
  size_.fetch_add(shard.positive.size() + shard.negative.size() - before,
                  std::memory_order_relaxed);
}

}  // namespace headgate::auth
