#include "migration/dovecot_passdb_settings.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace headgate::migration {
namespace {

// How 2.4 calls a setting of 2.3's files: in the passdb's block, where it may be short, and
// elsewhere.
struct Renamed {
  std::string_view classic;
  std::string_view shorter;
  std::string_view whole;
};
constexpr std::array<Renamed, 14> kRenamed = {{
    {"driver", "sql_driver", "sql_driver"},
    {"connect", "sqlite_path", "sqlite_path"},
    {"password_query", "query", "passdb_sql_query"},
    {"default_pass_scheme", "default_password_scheme", "passdb_default_password_scheme"},
    {"uris", "uris", "ldap_uris"},
    {"dn", "auth_dn", "ldap_auth_dn"},
    {"dnpass", "auth_dn_password", "ldap_auth_dn_password"},
    {"base", "base", "ldap_base"},
    {"scope", "scope", "ldap_scope"},
    {"tls", "starttls", "ldap_starttls"},
    {"auth_bind", "bind", "passdb_ldap_bind"},
    {"auth_bind_userdn", "bind_userdn", "passdb_ldap_bind_userdn"},
    {"pass_filter", "filter", "passdb_ldap_filter"},
    {"tls_ca_cert_file", "ssl_client_ca_file", "ssl_client_ca_file"},
}};

const Renamed* renamed(std::string_view classic) {
  const auto* found = std::ranges::find(kRenamed, classic, &Renamed::classic);
  return found != kRenamed.end() ? found : nullptr;
}

// "user | username | lower" → "Ln"; empty: 2.3 has nothing for it.
std::string classic_variable(std::string_view inner) {
  std::string words(inner);
  std::erase_if(words, [](char c) { return c == ' ' || c == '\t'; });
  constexpr std::string_view kLower = "|lower";
  const bool lower = words.ends_with(kLower);
  words.resize(words.size() - (lower ? kLower.size() : 0));
  const std::string_view letter = words == "user"                                   ? "u"
                                  : words == "user|username" || words == "username" ? "n"
                                  : words == "user|domain" || words == "domain"     ? "d"
                                                                                    : "";
  return letter.empty() ? "" : fmt::format("{}{}", lower ? "L" : "", letter);
}

// What is read elsewhere.
bool is_of_every_passdb(std::string_view key) {
  constexpr std::array<std::string_view, 8> kKeys = {
      "driver", "args", "fields", "default_fields", "override_fields", "deny", "master", "skip"};
  return std::ranges::find(kKeys, key) != kKeys.end() || key.starts_with("result_");
}

}  // namespace

const DovecotSetting* dovecot_inner(const DovecotSetting& block, std::string_view key) {
  const DovecotSetting* found = nullptr;
  for (const DovecotSetting& setting : block.block) {
    if (!setting.is_block && setting.key == key) {
      found = &setting;
    }
  }
  return found;
}

std::string_view dovecot_ldap_attribute(std::string_view value) {
  constexpr std::string_view kBegin = "%{ldap:";
  if (!value.starts_with(kBegin) || !value.ends_with('}')) {
    return "";
  }
  value = value.substr(kBegin.size(), value.size() - kBegin.size() - 1);
  return value.find_first_of(":|{}% ") == std::string_view::npos ? value : "";
}

std::string classic_dovecot_variables(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const std::size_t begin = std::min(text.find("%{"), text.size());
    out += text.substr(0, begin);
    text.remove_prefix(begin);
    const std::size_t end = text.find('}');
    if (text.empty() || end == std::string_view::npos) {
      break;
    }
    const std::string letters = classic_variable(text.substr(2, end - 2));
    out += letters.empty() ? std::string(text.substr(0, end + 1)) : "%" + letters;
    text.remove_prefix(end + 1);
  }
  return out.append(text);
}

PassdbSettings::PassdbSettings(DovecotImportState& state, const DovecotSetting& passdb)
    : state_(state),
      passdb_(passdb),
      at_(dovecot_inner(passdb, "args") != nullptr ? *dovecot_inner(passdb, "args") : passdb),
      in_place_(at_.is_block) {
  if (in_place_) {
    return;
  }
  const std::string path = state.path(at_.value);
  const auto text = state.read_file(path);
  auto parsed = text ? parse_dovecot_config(*text)
                     : std::unexpected(std::string("expected a file that can be read"));
  if (parsed) {
    settings_ = *std::move(parsed);
  } else {
    note(fmt::format("{}: {}; what stands here for it is an example", path, parsed.error()));
  }
}

std::string_view PassdbSettings::name(std::string_view key) const {
  const Renamed* other = renamed(key);
  return in_place_ && other != nullptr ? other->shorter : key;
}

const DovecotSetting* PassdbSettings::find(std::string_view key) {
  if (!in_place_) {
    asked_.emplace(key);
    const auto at =
        std::ranges::find(settings_.rbegin(), settings_.rend(), key, &DovecotSetting::key);
    return at != settings_.rend() ? &*at : nullptr;
  }
  const Renamed* other = renamed(key);
  if (other == nullptr) {
    return nullptr;
  }
  // A filter for the passdb alone, and one for passdb and userdb.
  const std::string_view third = key == "pass_filter" ? "ldap_filter" : "";
  const DovecotSetting* found = nullptr;
  for (const std::string_view each : {third, other->whole, other->shorter}) {
    asked_.emplace(each);
    const DovecotSetting* inner = each.empty() ? nullptr : dovecot_inner(passdb_, each);
    found = inner != nullptr ? inner : found;
  }
  for (const std::string_view each : {other->whole, third}) {
    const DovecotSetting* around = each.empty() ? nullptr : state_.view.last(each);
    found = found == nullptr ? around : found;
  }
  return found;
}

std::string PassdbSettings::value(std::string_view key) {
  const DovecotSetting* setting = find(key);
  return setting != nullptr ? classic_dovecot_variables(setting->value) : "";
}

namespace {

using Fields = std::vector<std::pair<std::string, std::string>>;

// Of one server's block, as they stand there.
Fields parameters_of(const DovecotSetting& server) {
  Fields fields;
  for (const DovecotSetting& setting : server.block) {
    if (!setting.is_block) {
      fields.emplace_back(setting.key, setting.value);
      continue;
    }
    for (const DovecotSetting& inner : setting.block) {
      fields.emplace_back(inner.key, inner.value);
    }
  }
  return fields;
}

}  // namespace

// "mysql HOST { … }", "pgsql HOST { parameters { … } }"
std::vector<const DovecotSetting*> PassdbSettings::server_blocks(std::string_view driver) {
  asked_.emplace(driver);
  std::vector<const DovecotSetting*> blocks;
  const auto add = [&](const DovecotSetting& block) {
    if (std::ranges::find(blocks, block.value, &DovecotSetting::value) == blocks.end()) {
      blocks.push_back(&block);
    }
  };
  for (const DovecotSetting& setting : passdb_.block) {
    if (setting.is_block && setting.key == driver) {
      add(setting);
    }
  }
  for (const DovecotSetting* setting : state_.view.blocks(driver)) {
    add(*setting);
  }
  return blocks;
}

std::vector<std::pair<std::string, std::string>> PassdbSettings::connection(
    std::string_view driver) {
  if (!in_place_) {
    return dovecot_fields(value("connect"));
  }
  Fields fields;
  const std::vector<const DovecotSetting*> servers = server_blocks(driver);
  if (servers.empty()) {
    note(fmt::format("{}: no such block; put your server in the place of db.example.org", driver));
    return fields;
  }
  const Fields first = parameters_of(*servers.front());
  for (const DovecotSetting* server : servers) {
    fields.emplace_back("host", server->value);
    if (parameters_of(*server) != first) {
      note(fmt::format("{} {}: its settings are left out, those of the first server hold for all",
                       driver, server->value));
    }
  }
  fields.insert(fields.end(), first.begin(), first.end());
  return fields;
}

// In 2.3 "attribute=field, attribute=field".
std::string PassdbSettings::attribute_for(std::string_view field) {
  if (!in_place_) {
    std::string text = value("pass_attrs");
    std::ranges::replace(text, ',', ' ');
    for (const auto& [attribute, meaning] : dovecot_fields(text)) {
      if (meaning == field) {
        return attribute;
      }
    }
    return "";
  }
  for (const DovecotSetting& setting : passdb_.block) {
    if (setting.is_block && setting.key == "fields") {
      const DovecotSetting* inner = dovecot_inner(setting, field);
      const std::string_view attribute =
          inner != nullptr ? dovecot_ldap_attribute(inner->value) : "";
      if (!attribute.empty()) {
        return std::string(attribute);
      }
    }
  }
  return "";
}

void PassdbSettings::note_the_rest() {
  for (const DovecotSetting& setting : settings_) {
    if (!asked_.contains(setting.key)) {
      note(fmt::format("{} of that file is left out", setting.key));
    }
  }
  for (const DovecotSetting& setting : passdb_.block) {
    if (in_place_ && !asked_.contains(setting.key) && !is_of_every_passdb(setting.key)) {
      state_.note(setting, "left out");
    }
  }
}

}  // namespace headgate::migration
