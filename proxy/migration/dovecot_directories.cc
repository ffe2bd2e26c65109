#include "migration/dovecot_directories.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/printable.h"
#include "config/scalars.h"
#include "migration/dovecot_passdb_settings.h"
#include "migration/dovecot_sql_query.h"

namespace headgate::migration {
namespace {

using config::json_text;

// The placeholders are values, not text, so the quotes around them go.
std::string without_quotes_around_placeholders(std::string query) {
  for (const std::string name : {":user", ":local_part", ":domain"}) {
    for (const char quote : {'\'', '"'}) {
      const std::string quoted = quote + name + quote;
      for (std::size_t at = query.find(quoted); at != std::string::npos; at = query.find(quoted)) {
        query.replace(at, quoted.size(), name);
      }
    }
  }
  return query;
}

// With our placeholders; empty where it cannot be translated.
std::string translated_query(PassdbSettings& file) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 5> kWhole = {
      {{"'%n@%d'", "'%u'"},
       {"'%Ln@%Ld'", "lower('%u')"},
       {"'%Lu'", "lower('%u')"},
       {"'%Ln'", "lower('%n')"},
       {"'%Ld'", "lower('%d')"}}};
  std::string query = file.value("password_query");
  for (const auto& [whole, instead] : kWhole) {
    for (std::size_t at = query.find(whole); at != std::string::npos; at = query.find(whole)) {
      query.replace(at, whole.size(), instead);
    }
  }
  const auto translated = translate_dovecot_variables(query, {":user", ":local_part", ":domain"});
  std::string text = translated ? without_quotes_around_placeholders(*translated) : "";
  for (const std::string_view name : {":user", ":local_part", ":domain"}) {
    // Within a longer literal it would be text, not a placeholder.
    const std::size_t at = text.find(name);
    if (at != std::string::npos && std::ranges::count(text.substr(0, at), '\'') % 2 == 1) {
      return "";
    }
  }
  return text;
}

// Whether source sql reads it: it knows no quotes but '…', and asks for somebody.
bool has_good_placeholders(std::string_view query) {
  constexpr std::string_view kBytes =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_";
  bool quoted = false;
  bool asks = false;
  for (std::size_t at = 0; at < query.size(); ++at) {
    quoted = quoted != (query[at] == '\'');
    if (quoted || query[at] != ':') {
      continue;
    }
    const std::string_view rest = query.substr(at + 1);
    if (rest.starts_with(':') || rest.starts_with('=')) {
      ++at;
      continue;
    }
    const std::string_view name =
        rest.substr(0, std::min(rest.find_first_not_of(kBytes), rest.size()));
    if (name != "user" && name != "local_part" && name != "domain") {
      return false;
    }
    asks = asks || name != "domain";
  }
  return asks && !quoted;
}

void note_columns(PassdbSettings& file, const RenamedQuery& renamed) {
  if (renamed.backend_checks) {
    file.note(
        fmt::format("nopassword in {}: only the backend checks the password (check_password false)",
                    file.name("password_query")));
  }
  if (!renamed.left_out.empty()) {
    file.note(
        fmt::format("columns of {} that are left out: {}. By user there are password, "
                    "user, pool and backend; for pass, master, ssl and starttls see the pool, or "
                    "source dovecot_auth",
                    file.name("password_query"),
                    printable(fmt::format("{}", fmt::join(renamed.left_out, ", ")), 512)));
  }
}

void take_query(PassdbSettings& file, ImportedSource& source, SqlDialect dialect,
                std::uint16_t usual_port, DovecotConstants& constants) {
  constexpr std::string_view kExample = "SELECT password FROM users WHERE name = :user";
  const std::string text = translated_query(file);
  auto renamed = rename_dovecot_columns(text, dialect, usual_port);
  if (renamed && !has_good_placeholders(renamed->text)) {
    file.note(fmt::format(
        "{} is left out, write it anew: expected :user or :local_part in it, texts in single "
        "quotes, and no other word behind a colon",
        file.name("password_query")));
    renamed.reset();
  } else if (!renamed && !text.empty()) {
    file.note(
        fmt::format("{} is left out, write it anew: expected one SELECT whose columns have names; "
                    "Headgate's are password, user, pool and backend (HOST:PORT)",
                    file.name("password_query")));
  } else if (!renamed) {
    file.note(fmt::format(
        "{} is left out, write it anew: its placeholders are :user, :local_part, :domain, :ip and "
        ":listener, outside of quotes",
        file.name("password_query")));
  }
  source.values["sql.query"] = json_text(renamed ? renamed->text : kExample);
  if (renamed) {
    note_columns(file, *renamed);
    constants = std::move(renamed->constants);
    if (renamed->backend_checks) {
      source.values["sql.check_password"] = "false";
    }
  }
}

void take_connect(PassdbSettings& file, const DovecotImportState& state, ImportedSource& source,
                  std::string_view driver) {
  if (driver == "sqlite") {
    source.values["sql.path"] = json_text(state.path(file.value("connect")));
    return;
  }
  std::vector<std::string> hosts;
  source.values["sql.database"] = "\"mail\"";
  for (const auto& [key, value] : file.connection(driver == "mysql" ? "mysql" : "pgsql")) {
    if (key == "host") {
      hosts.push_back(json_text(value));
    } else if (key == "dbname") {
      source.values["sql.database"] = json_text(value);
    } else if (key == "user" || key == "password" || key == "port") {
      source.values["sql." + key] = key == "port" ? value : json_text(value);
    } else {
      file.note(fmt::format("{} of the connection is left out; see users[].sql.options", key));
    }
  }
  if (hosts.size() > 1) {
    source.values["sql.hosts"] = fmt::format("[{}]", fmt::join(hosts, ", "));
  } else {
    source.values["sql.host"] = hosts.empty() ? "\"db.example.org\"" : hosts.front();
  }
}

void take_scheme(PassdbSettings& file, std::string_view key) {
  if (const std::string scheme = file.value(key); !scheme.empty() && scheme != "CRYPT") {
    file.note(
        fmt::format("{}: hashes need their scheme in front ({{SSHA256}}…) or are those of "
                    "crypt(3)",
                    file.name(key)));
  }
}

std::string server_list(PassdbSettings& file, bool tls) {
  std::string list;
  const auto add = [&](const std::string& url) {
    list += fmt::format("{}{}", list.empty() ? "" : ", ", json_text(url));
  };
  for (const std::string& uri : dovecot_words(file.value("uris"))) {
    add(uri);
  }
  for (const std::string& host : dovecot_words(file.value("hosts"))) {
    add("ldap://" + host);
  }
  if (list.empty()) {
    add("ldap://ldap.example.org");
    file.note("no server is named: put your server in the place of ldap.example.org");
  }
  if (!tls && list.contains("ldap://")) {
    file.note("tls is off: names and passwords travel in the clear to ldap:// servers, as before");
  }
  return fmt::format("[{}]", list);
}

void take_attributes(PassdbSettings& file, ImportedSource& source) {
  const bool binds = dovecot_yes(file.value("auth_bind"));
  source.values["ldap.passwords"] = binds ? "bind" : "fetch";
  const auto take = [&](std::string_view field, const std::string& key) {
    if (const std::string name = file.attribute_for(field); !name.empty()) {
      source.values[key] = json_text(name);
    }
  };
  if (!binds) {
    take("password", "ldap.password_attribute");
  }
  take("user", "ldap.user_attribute");
  take("destuser", "ldap.user_attribute");
  take("host", "ldap.backend_attribute");
  take("director_tag", "ldap.pool_attribute");
  if (!file.value("pass_attrs").empty()) {
    file.note("of pass_attrs, password, user, destuser, host and director_tag are taken over");
  }
  if (!file.value("auth_bind_userdn").empty()) {
    file.note(fmt::format("{} is left out: the entry is searched for, then bound as",
                          file.name("auth_bind_userdn")));
  }
}

}  // namespace

std::optional<std::string> translate_dovecot_variables(std::string_view text,
                                                       const NamePlaceholders& placeholders) {
  const std::pair<std::string_view, std::string_view> kNames[] = {
      {"u", placeholders.user},
      {"n", placeholders.local_part},
      {"d", placeholders.domain},
      {"{user}", placeholders.user},
      {"{username}", placeholders.local_part},
      {"{domain}", placeholders.domain},
      {"{user|username}", placeholders.local_part},
      {"{user|domain}", placeholders.domain},
      {"%", "%"}};
  std::string out;
  while (!text.empty()) {
    const std::size_t percent = std::min(text.find('%'), text.size());
    out += text.substr(0, percent);
    text.remove_prefix(percent);
    if (text.empty()) {
      break;
    }
    text.remove_prefix(1);
    text.remove_prefix(text.starts_with('L') ? 1 : 0);  // lower case
    const auto* known = std::ranges::find_if(
        kNames, [text](const auto& name) { return text.starts_with(name.first); });
    if (known == std::end(kNames)) {
      return std::nullopt;
    }
    out += known->second;
    text.remove_prefix(known->first.size());
  }
  return out;
}

ImportedSource import_dovecot_sql(DovecotImportState& state, const DovecotSetting& passdb,
                                  std::uint16_t usual_port, DovecotConstants& constants) {
  PassdbSettings file(state, passdb);
  ImportedSource source{"sql", "main", {}, {}};
  const std::string driver = file.value("driver");
  const bool sqlite = driver == "sqlite";
  source.values["sql.driver"] = sqlite ? "sqlite" : driver == "mysql" ? "mysql" : "postgresql";
  if (!file.empty() && !sqlite && driver != "mysql" && driver != "pgsql") {
    file.note("the driver is not one of mysql, pgsql and sqlite; postgresql stands there for it");
  }
  take_connect(file, state, source, driver);
  take_query(file, source,
             sqlite              ? SqlDialect::kSqlite
             : driver == "mysql" ? SqlDialect::kMysql
                                 : SqlDialect::kPostgresql,
             usual_port, constants);
  take_scheme(file, "default_pass_scheme");
  file.note_the_rest();
  return source;
}

ImportedSource import_dovecot_ldap(DovecotImportState& state, const DovecotSetting& passdb) {
  PassdbSettings file(state, passdb);
  ImportedSource source{"ldap", "main", {}, {}};
  const bool starttls = dovecot_yes(file.value("tls"));
  source.values["ldap.servers"] = server_list(file, starttls);
  if (starttls) {
    source.values["ldap.starttls"] = "true";
  }
  if (const std::string ca = file.value("tls_ca_cert_file"); !ca.empty()) {
    source.values["ldap.ca"] = json_text(state.path(ca));
  }
  const std::string check = file.value("tls_require_cert");
  const bool any = file.in_place() ? state.view.value("ssl_client_require_valid_cert") == "no"
                                   : check == "never" || check == "allow";
  if (any) {
    source.values["ldap.verify"] = "false";
    file.note("certificates of the LDAP servers are not verified, as before");
  }
  for (const auto& [from, to] :
       {std::pair("dn", "ldap.bind_dn"), std::pair("dnpass", "ldap.bind_password"),
        std::pair("base", "ldap.base")}) {
    if (const std::string text = file.value(from); !text.empty()) {
      source.values[to] = json_text(text);
    }
  }
  source.values.emplace("ldap.base", "\"dc=example,dc=org\"");
  const std::string scope = file.value("scope");
  source.values["ldap.scope"] = scope == "base" ? "base" : scope == "onelevel" ? "one" : "subtree";
  const std::string filter = file.value("pass_filter");
  const auto translated =
      translate_dovecot_variables(filter, {"{user}", "{local_part}", "{domain}"});
  if (!translated || filter.empty()) {
    file.note(
        fmt::format("{} is left out, write it anew with {{user}}, {{local_part}} and {{domain}}",
                    file.name("pass_filter")));
  }
  source.values["ldap.filter"] =
      json_text(translated && !filter.empty() ? *translated : "(mail={user})");
  take_attributes(file, source);
  take_scheme(file, "default_pass_scheme");
  file.note_the_rest();
  return source;
}

}  // namespace headgate::migration
