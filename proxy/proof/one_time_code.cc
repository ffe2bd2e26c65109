#include "proof/one_time_code.h"

#include <fmt/format.h>
#include <liboath/oath.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <utility>

namespace headgate::proof {
namespace {

using metrics::Factor;

constexpr std::chrono::seconds kStep{30};
constexpr std::uint64_t kWindow = 1;  // steps that clocks may differ by

std::uint64_t step_at(std::chrono::seconds unix_time) {
  return static_cast<std::uint64_t>(std::max(unix_time, std::chrono::seconds(0)) / kStep);
}

bool is_digit(char byte) {
  return byte >= '0' && byte <= '9';
}

}  // namespace

std::expected<TotpSecret, std::string> TotpSecret::parse(std::string_view base32) {
  static const bool ready = ::oath_init() == OATH_OK;
  char* decoded = nullptr;
  std::size_t size = 0;
  if (!ready || ::oath_base32_decode(base32.data(), base32.size(), &decoded, &size) != OATH_OK) {
    return std::unexpected("expected base32, as in an otpauth:// URI");
  }
  TotpSecret secret(Secret(std::string_view(decoded, size)));
  wipe(decoded, size);
  std::free(decoded);
  if (size < kLeastBytes || size > kMostBytes) {
    return std::unexpected(
        fmt::format("expected base32 of {} to {} bytes, found {}", kLeastBytes, kMostBytes, size));
  }
  return secret;
}

std::optional<std::uint64_t> TotpSecret::step_of(std::string_view code,
                                                 std::chrono::seconds unix_time) const {
  const std::uint64_t now = step_at(unix_time);
  std::optional<std::uint64_t> found;
  for (std::uint64_t step = now - std::min(now, kWindow); step <= now + kWindow; ++step) {
    std::array<char, kCodeDigits + 1> made{};
    const int result = ::oath_hotp_generate(view().data(), view().size(), step, kCodeDigits, false,
                                            OATH_HOTP_DYNAMIC_TRUNCATION, made.data());
    const bool same = Secret(std::string_view(made.data(), kCodeDigits)).equals(code);
    if (result == OATH_OK && same && !found) {
      found = step;
    }
    wipe(made.data(), made.size());
  }
  return found;
}

std::chrono::seconds UsedCodes::system_time() {
  return std::chrono::duration_cast<std::chrono::seconds>(
      std::chrono::system_clock::now().time_since_epoch());
}

Factor UsedCodes::check(const TotpSecret& secret, std::string_view code, std::string_view login,
                        bool use) {
  const std::chrono::seconds time = clock_();
  const auto step = secret.step_of(code, time);
  if (code.empty()) {
    return Factor::kTotpMissing;
  }
  if (!step) {
    return Factor::kTotpWrong;
  }
  const net::Key hash = net::keyed_hash(key_, {secret.view()});
  const std::string name(hash.begin(), hash.end());
  const std::lock_guard lock(mutex_);
  forget(step_at(time));
  const auto known = last_.find(name);
  if (known != last_.end() && *step <= known->second.step) {
    const bool own = *step == known->second.step && !login.empty() && login == known->second.login;
    return own ? Factor::kTotp : Factor::kTotpReplayed;
  }
  if (!use) {
    return Factor::kTotp;
  }
  if (order_.size() >= capacity_) {
    return Factor::kTotpOverload;
  }
  last_.insert_or_assign(name, Use{*step, std::string(login)});
  order_.emplace_back(name, *step);
  return Factor::kTotp;
}

// Those that are too old to be taken anyway.
void UsedCodes::forget(std::uint64_t now) {
  while (!order_.empty() && order_.front().second + kWindow < now) {
    const auto& [name, step] = order_.front();
    const auto known = last_.find(name);
    if (known != last_.end() && known->second.step == step) {
      last_.erase(known);
    }
    order_.pop_front();
  }
}

PasswordAndCode::PasswordAndCode(const Secret& given) {
  const std::string_view all = given.view();
  const std::size_t front = all.size() > kCodeDigits ? all.size() - kCodeDigits : all.size();
  const std::string_view end = all.substr(front);
  if (std::ranges::all_of(end, is_digit)) {
    password.append(all.substr(0, front));
    code.append(end);
  } else {
    password.append(all);
  }
}

}  // namespace headgate::proof
