#include "migration/dovecot_users.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <map>
#include <utility>

#include "base/address.h"
#include "config/scalars.h"
#include "migration/dovecot_director.h"
#include "migration/dovecot_directories.h"
#include "migration/dovecot_passdb_settings.h"

namespace headgate::migration {
namespace {

using namespace std::chrono_literals;
using config::json_text;

struct Field {
  std::string value;
  const DovecotSetting* setting = nullptr;  // where it stands
};

constexpr std::string_view kAskDovecot =
    "source dovecot_auth asks Dovecot's auth service, which can stay: docs/users/dovecot_auth.md";

// Drivers that Headgate has no source for, and what there is.
constexpr std::array<std::pair<std::string_view, std::string_view>, 8> kOtherDrivers = {{
    {"pam",
     "source pam asks the same modules: docs/users/pam.md; source backend leaves the check to the "
     "backends"},
    {"passwd", "make a passwd file of it for source passwd_file"},
    {"shadow", "make a passwd file of it for source passwd_file"},
    {"bsdauth", "source backend leaves the check to the backends"},
    {"checkpassword", kAskDovecot},
    {"lua", kAskDovecot},
    {"dict", kAskDovecot},
    {"oauth2",
     "source oauth checks tokens, docs/users/oauth.md; docs/sasl.md says how they are passed on"},
}};

class UsersImporter {
 public:
  explicit UsersImporter(DovecotImportState& state) : state_(state) {}
  void run();

 private:
  void take_passdb(const DovecotSetting& passdb);
  void take_settings(const DovecotSetting& passdb, std::string_view driver);
  void take_fields(const DovecotSetting& setting, std::string_view text);
  void take_static(const DovecotSetting& passdb);
  void take_imap(const DovecotSetting& passdb, const DovecotSetting& args);
  void take_sql(const DovecotSetting& passdb);
  void take_passwd_file(const DovecotSetting& passdb);
  void add_pools();
  void take_tls(ImportedPool& pool);
  void take_login(ImportedPool& pool);
  void take_pool(ImportedPool& pool);
  void take_destuser();
  void note_other_fields();

  bool has(std::string_view name) {
    asked_.emplace(name);
    return fields_.contains(name);
  }
  std::string field(std::string_view name) {
    return has(name) ? fields_.find(name)->second.value : "";
  }
  void note_field(std::string_view name, std::string_view text) {
    state_.notes.add(fields_.find(name)->second.setting->line, fmt::format("{}: {}", name, text));
  }
  [[nodiscard]] bool checks() const {
    return std::ranges::none_of(state_.config.sources, [](const ImportedSource& source) {
      return source.source == "backend" || source.source == "map" ||
             source.values.contains("sql.check_password");
    });
  }
  // Where nothing is said about the port.
  std::uint16_t port();

  DovecotImportState& state_;
  std::map<std::string, Field, std::less<>> fields_;  // of all passdbs: where users are sent
  std::set<std::string, std::less<>> asked_;
  bool continues_ = false;  // a passdb before has checked the password, and the next is asked too
};

// Whether it is taken over, or noted, elsewhere.
bool is_known_in_passdb(std::string_view driver, std::string_view key) {
  constexpr std::array<std::string_view, 13> kKeys = {"driver",
                                                      "args",
                                                      "deny",
                                                      "master",
                                                      "password",
                                                      "static_password",
                                                      "passdb_static_password",
                                                      "passwd_file_path",
                                                      "default_password_scheme",
                                                      "passdb_default_password_scheme",
                                                      "auth_username_format",
                                                      "result_success",
                                                      "fields"};
  return driver == "sql" || driver == "ldap" || key.starts_with("imapc_") ||
         std::ranges::find(kKeys, key) != kKeys.end();
}

void UsersImporter::run() {
  for (const DovecotSetting* passdb : state_.view.blocks("passdb")) {
    take_passdb(*passdb);
  }
  if (state_.config.sources.empty()) {
    state_.notes.add(0, "passdb: none that could be taken over, so the backend checks passwords");
    state_.config.sources.push_back({"backend", "main", {}, {}});
  }
  add_pools();
  take_destuser();
  note_other_fields();
}

void UsersImporter::take_passdb(const DovecotSetting& passdb) {
  const DovecotSetting* driver_setting = dovecot_inner(passdb, "driver");
  const std::string driver = driver_setting != nullptr ? driver_setting->value : passdb.value;
  for (const char* kind : {"deny", "master"}) {
    const DovecotSetting* setting = dovecot_inner(passdb, kind);
    if (setting != nullptr && dovecot_yes(setting->value)) {
      state_.note(*setting, kind == std::string_view("deny")
                                ? "this passdb is left out: nobody is denied here; let the sources "
                                  "not know whom you do not want"
                                : "this passdb is left out: master users do not log in through "
                                  "Headgate");
      return;
    }
  }
  take_settings(passdb, driver);
  const DovecotSetting* args = dovecot_inner(passdb, "args");
  const DovecotSetting& at = args != nullptr ? *args : passdb;
  if (driver == "static") {
    take_static(passdb);
  } else if (driver == "sql") {
    take_sql(passdb);
  } else if (driver == "ldap") {
    state_.config.sources.push_back(import_dovecot_ldap(state_, passdb));
  } else if (driver == "passwd-file") {
    take_passwd_file(passdb);
  } else if (driver == "imap") {
    take_imap(passdb, at);
    state_.note(at, "the IMAP server that checked passwords is the backend now, which checks them");
    state_.config.sources.push_back({"backend", "main", {}, {}});
  } else {
    const auto* known = std::ranges::find(kOtherDrivers, driver,
                                          &std::pair<std::string_view, std::string_view>::first);
    state_.notes.add(passdb.line,
                     fmt::format("passdb {}: left out: {}", driver,
                                 known != kOtherDrivers.end() ? known->second : "unknown"));
  }
  const DovecotSetting* success = dovecot_inner(passdb, "result_success");
  continues_ = continues_ ||
               (driver != "static" && success != nullptr && success->value.starts_with("continue"));
}

void UsersImporter::take_settings(const DovecotSetting& passdb, std::string_view driver) {
  for (const DovecotSetting& setting : passdb.block) {
    const std::string_view key = setting.key;
    if (key == "default_fields" || key == "override_fields") {
      take_fields(setting, setting.value);
    } else if (key == "fields" && setting.is_block) {
      for (const DovecotSetting& each : setting.block) {
        if (dovecot_ldap_attribute(each.value).empty()) {
          fields_[each.key] = {classic_dovecot_variables(each.value), &each};
        }
      }
    } else if ((key.starts_with("result_") || key == "skip") &&
               !(key == "result_success" && setting.value.starts_with("continue"))) {
      state_.note(setting, "left out: sources are asked in turn until one knows the user");
    } else if (!is_known_in_passdb(driver, key)) {
      state_.note(setting, "left out");
    }
  }
}

void UsersImporter::take_fields(const DovecotSetting& setting, std::string_view text) {
  for (auto& [name, value] : dovecot_fields(text)) {
    fields_[name] = {std::move(value), &setting};
  }
}

void UsersImporter::take_static(const DovecotSetting& passdb) {
  if (const DovecotSetting* args = dovecot_inner(passdb, "args")) {
    take_fields(*args, args->value);
  }
  for (const char* key : {"password", "static_password", "passdb_static_password"}) {
    if (const DovecotSetting* setting = dovecot_inner(passdb, key)) {
      fields_["password"] = {setting->value, setting};
    }
  }
  if (has("password")) {
    note_field("password", "one password for all users is left out: the backend checks passwords");
  }
  if (!continues_) {
    state_.config.sources.push_back({"backend", "main", {}, {}});
  }
}

void UsersImporter::take_imap(const DovecotSetting& passdb, const DovecotSetting& args) {
  take_fields(args, args.is_block ? "" : args.value);
  for (const auto& [key, field] : {std::pair("imapc_host", "host"), std::pair("imapc_port", "port"),
                                   std::pair("imapc_ssl", "")}) {
    if (const DovecotSetting* setting = dovecot_inner(passdb, key)) {
      const std::string_view tls = setting->value == "imaps" ? "ssl" : "starttls";
      if (*field != '\0') {
        fields_[field] = {setting->value, setting};
      } else if (setting->value == "imaps" || setting->value == "starttls") {
        fields_[std::string(tls)] = {"yes", setting};
      }
    }
  }
}

void UsersImporter::take_sql(const DovecotSetting& passdb) {
  DovecotConstants constants;
  state_.config.sources.push_back(import_dovecot_sql(state_, passdb, port(), constants));
  for (auto& [name, value] : constants) {
    const auto known = fields_.find(name);
    if (known == fields_.end() || known->second.setting->key == "default_fields") {
      fields_[name] = {std::move(value), &passdb};
    }
  }
}

// "[scheme=NAME] [username_format=FORMAT] PATH", or in 2.4 settings for each of them.
void UsersImporter::take_passwd_file(const DovecotSetting& passdb) {
  const DovecotSetting* given = dovecot_inner(passdb, "args");
  const DovecotSetting& args = given != nullptr ? *given : passdb;
  std::string words = given != nullptr ? given->value : "";
  for (const auto& [key, word] :
       {std::pair("default_password_scheme", "scheme="),
        std::pair("passdb_default_password_scheme", "scheme="),
        std::pair("auth_username_format", "username_format="), std::pair("passwd_file_path", "")}) {
    if (const DovecotSetting* setting = dovecot_inner(passdb, key)) {
      words += fmt::format(" {}{}", word, setting->value);
    }
  }
  ImportedSource source{"passwd_file", "main", {}, {}};
  for (const std::string& word : dovecot_words(words)) {
    if (word.starts_with("scheme=")) {
      state_.note(args,
                  "scheme: hashes need their scheme in front ({SSHA256}…) or are those of "
                  "crypt(3)");
    } else if (word.starts_with("username_format=")) {
      state_.note(args, "username_format is left out: names are looked up as clients give them");
    } else if (!word.contains('=')) {
      source.values["path"] = json_text(state_.path(word));
    }
  }
  if (source.values.empty()) {
    state_.note(args, "left out: expected the path of a passwd file");
    return;
  }
  state_.note(args,
              "of the extra fields of its lines Headgate reads pool=, backend= and "
              "backend_user=; write host= as backend=HOST:PORT, and take proxy= out");
  state_.config.sources.push_back(std::move(source));
}

std::uint16_t UsersImporter::port() {
  const bool tls = has("ssl") && !has("starttls");
  const std::uint16_t usual = tls ? 993 : 143;
  if (!has("port")) {
    return usual;
  }
  unsigned number = 0;
  const std::string text = field("port");
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || number == 0 || number > 65535) {
    note_field("port", fmt::format("expected a port; {} stands there for it", usual));
    return usual;
  }
  return static_cast<std::uint16_t>(number);
}

void UsersImporter::add_pools() {
  state_.config.pools = import_director(state_, port());
  const std::string host = field("host");
  const bool director = !state_.config.pools.empty();
  if (!host.empty()) {
    const auto ip = IpAddress::parse(host);
    const std::string text =
        ip ? Endpoint{.ip = *ip, .port = port()}.to_string() : fmt::format("{}:{}", host, port());
    if (!HostPort::parse(text) || host.contains('%')) {
      note_field("host",
                 "left out: expected a host; a map or another source names a backend by "
                 "user");
    } else {
      if (director) {
        note_field("host",
                   "everybody went to this host, not to director_mail_servers, which is "
                   "left out");
      }
      state_.config.pools = {{"main", {}, {text}}};
    }
  }
  if (state_.config.pools.empty()) {
    state_.notes.add(0,
                     "host: not found: put the addresses of your mail servers in the place of "
                     "127.0.0.1:10143");
    state_.config.pools = {{"main", {}, {"127.0.0.1:10143"}}};
  }
  const std::string tag = field("director_tag");
  const bool tagged =
      std::ranges::find(state_.config.pools, tag, &ImportedPool::name) != state_.config.pools.end();
  const std::string pool = tagged ? tag : state_.config.pools.front().name;
  for (ImportedSource& source : state_.config.sources) {
    source.pool = pool;
  }
  for (ImportedPool& each : state_.config.pools) {
    take_pool(each);
  }
}

void UsersImporter::take_pool(ImportedPool& pool) {
  take_tls(pool);
  take_login(pool);
  if (has("proxy_not_trusted")) {
    pool.values["forward_client"] = "none";
  }
  const bool own = has("proxy_timeout");
  const DovecotSetting* general = state_.view.last("login_proxy_timeout");
  if (!own && general == nullptr) {
    return;
  }
  const auto time = parse_dovecot_time(own ? field("proxy_timeout") : general->value);
  const int line = own ? fields_.find("proxy_timeout")->second.setting->line : general->line;
  ImportNotes ignored;  // all pools alike: the first one's notes are enough
  ImportNotes& notes = &pool == state_.config.pools.data() ? state_.notes : ignored;
  if (time) {
    pool.values["login_timeout"] =
        bounded_duration(notes, line, own ? "proxy_timeout" : "login_proxy_timeout",
                         "login_timeout", *time, 100ms, 10min);
  } else {
    notes.add(line, "proxy_timeout: left out: expected a time");
  }
}

void UsersImporter::take_tls(ImportedPool& pool) {
  const bool starttls = has("starttls") && field("starttls") != "no";
  const bool implicit = has("ssl") && field("ssl") != "no";
  pool.values["tls"] = starttls ? "starttls" : implicit ? "implicit" : "none";
  const DovecotSetting* ca = state_.view.last("ssl_client_ca_file");
  const DovecotSetting* valid = state_.view.last("ssl_client_require_valid_cert");
  const DovecotSetting* certificate = state_.view.last("ssl_client_cert");
  const DovecotSetting* key = state_.view.last("ssl_client_key");
  if (!starttls && !implicit) {
    return;
  }
  const bool any = field(starttls ? "starttls" : "ssl") == "any-cert";
  if (any || (valid != nullptr && !dovecot_yes(valid->value))) {
    pool.values["verify"] = "false";
  }
  if (ca != nullptr) {
    pool.values["ca"] = json_text(state_.path(ca->value));
  }
  if (certificate != nullptr && key != nullptr) {
    pool.values["client_certificate.certificate"] = json_text(state_.file_of(*certificate));
    pool.values["client_certificate.key"] = json_text(state_.file_of(*key));
  }
}

// Master user and passwords for backends, where a source checks the user's own.
void UsersImporter::take_login(ImportedPool& pool) {
  const bool first = &pool == state_.config.pools.data();
  const std::string destuser = field("destuser");
  const std::size_t star = destuser.find('*');
  std::string master = field("master");
  if (master.empty() && star != std::string::npos && destuser.starts_with('%')) {
    master = destuser.substr(star + 1);
  }
  const std::string pass = field("pass");
  if (pass.empty()) {
    if (!master.empty() && first) {
      state_.notes.add(0, "master: left out, since no pass is there with it");
    }
    return;
  }
  if (!checks()) {
    if (first) {
      note_field("pass",
                 "left out, and so is master: with nobody but the backends checking "
                 "passwords anyone would get in; add a source that checks them, then "
                 "pools.main.master");
    }
    return;
  }
  if (master.empty()) {
    pool.values["login"] = "secret";
    pool.values["secret"] = json_text(pass);
  } else {
    pool.values["master.user"] = json_text(master);
    pool.values["master.password"] = json_text(pass);
  }
}

void UsersImporter::take_destuser() {
  const std::string destuser = field("destuser");
  if (destuser.empty() || destuser.contains('*')) {
    return;
  }
  const auto rewrite =
      translate_dovecot_variables(destuser, {"{user}", "{local_part}", "{domain}"});
  if (rewrite && *rewrite == "{user}") {
    return;
  }
  const bool alone = state_.config.sources.size() == 1 && !checks();
  if (!rewrite || !alone) {
    note_field("destuser", "left out: let the user source name the user at the backend");
    return;
  }
  ImportedSource& source = state_.config.sources.front();
  source.source = "map";
  source.rules = {fmt::format("{{pattern: \".+\", rewrite: {}}}", json_text(*rewrite))};
}

void UsersImporter::note_other_fields() {
  for (const char* known : {"proxy", "proxy_maybe", "nopassword", "hostip"}) {
    has(known);
  }
  if (has("proxy_maybe")) {
    note_field("proxy_maybe", "Headgate holds no mailboxes: everybody is proxied");
  }
  if (has("hostip")) {
    note_field("hostip", "left out: host is resolved by the system");
  }
  if (has("source_ip")) {
    note_field("source_ip", "left out: connections to backends leave from the system's address");
  }
  for (const auto& [name, found] : fields_) {
    if (!asked_.contains(name)) {
      note_field(name, "this field is left out");
    }
  }
}

}  // namespace

void import_dovecot_users(DovecotImportState& state) {
  UsersImporter(state).run();
}

}  // namespace headgate::migration
