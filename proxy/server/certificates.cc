#include "server/certificates.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace headgate::server {
namespace {

std::string date(std::chrono::sys_seconds time) {
  const std::chrono::year_month_day day{std::chrono::floor<std::chrono::days>(time)};
  return fmt::format("{:04}-{:02}-{:02}", static_cast<int>(day.year()),
                     static_cast<unsigned>(day.month()), static_cast<unsigned>(day.day()));
}

std::string describe(const net::CertificateFacts& one) {
  return fmt::format("until {}, SHA-256 {}", date(one.not_after), one.fingerprint);
}

}  // namespace

std::expected<Certificates, std::vector<std::string>> read_certificates(const config::Tls& tls) {
  Certificates all;
  std::vector<std::string> errors;
  for (const config::Certificate& pair : tls.certificates) {
    if (auto facts = net::read_certificate(pair.certificate)) {
      all.push_back(*std::move(facts));
    } else {
      errors.push_back("tls: " + facts.error());
    }
  }
  if (!errors.empty()) {
    return std::unexpected(std::move(errors));
  }
  return all;
}

std::vector<std::string> expiry_warnings(const Certificates& certificates,
                                         std::chrono::system_clock::time_point now) {
  std::vector<std::string> lines;
  for (const net::CertificateFacts& one : certificates) {
    const auto left = one.not_after - now;
    if (left <= std::chrono::seconds(0)) {
      lines.push_back(fmt::format("{}: ended on {}", one.file, date(one.not_after)));
    } else if (left < kExpiryWarning) {
      lines.push_back(fmt::format("{}: ends in {} days, on {}", one.file,
                                  std::chrono::floor<std::chrono::days>(left).count(),
                                  date(one.not_after)));
    }
  }
  return lines;
}

config::Difference replaced(const Certificates& before, const Certificates& after) {
  config::Difference changes;
  for (std::size_t i = 0; i < after.size(); ++i) {
    const auto old = std::ranges::find(before, after[i].file, &net::CertificateFacts::file);
    if (old != before.end() && old->fingerprint != after[i].fingerprint) {
      changes.push_back(
          {.kind = config::Change::Kind::kChanged,
           .key = fmt::format("tls.certificates[{}], what {} holds", i, after[i].file),
           .before = describe(*old),
           .after = describe(after[i]),
           .secret = false});
    }
  }
  return changes;
}

}  // namespace headgate::server
