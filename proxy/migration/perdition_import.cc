#include "migration/perdition_import.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <filesystem>
#include <utility>

#include "base/address.h"
#include "config/scalars.h"
#include "migration/perdition_options.h"
#include "migration/perdition_popmap.h"

namespace headgate::migration {
namespace {

using namespace std::chrono_literals;
using config::json_text;
using config::yaml_text;

// More make a configuration that nobody reads.
constexpr std::size_t kMostRulesHere = 10'000;

class PerditionImporter {
 public:
  PerditionImporter(PerditionOptions options, const std::string& folder,
                    const ReadImportedFile& read_file)
      : options_(std::move(options)), folder_(folder), read_file_(read_file) {}

  std::expected<Import, std::string> run();

 private:
  [[nodiscard]] bool mode(std::string_view word) const {
    return std::ranges::find(modes_, word) != modes_.end();
  }
  bool state(std::string_view option, std::string_view wanted);
  void note(std::string_view option, std::string_view text) {
    notes_.add(options_.last(option)->line, fmt::format("{}: {}", option, text));
  }
  [[nodiscard]] std::string path(std::string_view name) const {
    return (std::filesystem::path(folder_) / name).lexically_normal().string();
  }
  std::uint16_t port(std::string_view option, std::uint16_t usual);

  void take_modes(const std::string& protocol);
  void add_listeners(bool imaps);
  void take_tls();
  void take_times();
  void take_outgoing();
  void take_map();
  PopmapRules read_popmap(bool regex);
  void add_mapped(ImportedSource source, std::vector<std::string> backends);
  void take_sql(bool postgresql);
  void take_ldap();
  void finish_pools();

  PerditionOptions options_;
  const std::string& folder_;
  const ReadImportedFile& read_file_;
  ImportNotes notes_;
  ImportedConfig config_;
  std::vector<std::string> modes_;    // of ssl_mode
  std::vector<std::string> servers_;  // outgoing_server
  PopmapOptions popmap_;
};

bool PerditionImporter::state(std::string_view option, std::string_view wanted) {
  const auto states = options_.words(option);
  return std::ranges::find(states, wanted) != states.end() ||
         std::ranges::find(states, "all") != states.end();
}

std::uint16_t PerditionImporter::port(std::string_view option, std::uint16_t usual) {
  const std::string text = options_.value(option);
  const std::string server = text.empty() ? "" : perdition_server("h:" + text, 1);
  const auto parsed = HostPort::parse(server);
  if (!text.empty() && !parsed) {
    note(option, fmt::format("expected a port; {} stands there for it", usual));
  }
  return parsed ? parsed->port : usual;
}

std::expected<Import, std::string> PerditionImporter::run() {
  std::string protocol = options_.value("protocol");
  std::ranges::transform(protocol, protocol.begin(), [](char c) {
    return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  });
  if (!protocol.empty() && !protocol.starts_with("IMAP4")) {
    return std::unexpected(
        fmt::format("{}: expected protocol IMAP4 or IMAP4S, which Headgate "
                    "speaks",
                    options_.last("protocol")->line));
  }
  notes_.add(0,
             "options on Perdition's command line (/etc/default/perdition) are not seen: put "
             "them into a copy of the file, as lines like 'ssl_mode ssl_listen'");
  take_modes(protocol);
  add_listeners(protocol == "IMAP4S");
  if (config_.listeners.empty()) {
    return std::unexpected("1: expected an address to listen on in bind_address");
  }
  take_tls();
  take_times();
  take_outgoing();
  take_map();
  finish_pools();
  options_.note_the_rest(notes_);
  return Import{config_.to_yaml(), notes_.in_file_order()};
}

void PerditionImporter::take_modes(const std::string& protocol) {
  modes_ = options_.words("ssl_mode");
  if (modes_.empty() && protocol == "IMAP4S") {
    modes_ = {"ssl_all"};
  }
  const std::vector<std::string> given = modes_;
  for (const std::string& word : given) {
    const std::string kind = word.substr(0, 3);  // ssl or tls
    if (word.contains("_all")) {
      modes_.push_back(kind + "_listen");
      modes_.push_back(kind + "_outgoing");
    } else if (word.ends_with("_force")) {
      modes_.push_back(word.substr(0, word.size() - 6));
    }
  }
  if (options_.has("ssl_mode")) {
    if (mode("tls_listen")) {
      note("ssl_mode", "logins before STARTTLS are refused, as with tls_listen_force");
    }
    if (mode("tls_outgoing")) {
      note("ssl_mode", "backends must offer STARTTLS, as with tls_outgoing_force");
    }
  }
}

void PerditionImporter::add_listeners(bool imaps) {
  const bool tls = mode("ssl_listen");
  const std::uint16_t usual = port("listen_port", tls || imaps ? 993 : 143);
  std::vector<std::string> addresses = options_.words("bind_address");
  if (addresses.empty()) {
    addresses = {"0.0.0.0"};
  }
  for (const std::string& address : addresses) {
    const auto endpoint = Endpoint::parse(perdition_server(address, usual));
    if (!endpoint) {
      note("bind_address", fmt::format("{} is left out: expected an address", address));
      continue;
    }
    ImportedListener listener;
    listener.name = config_.unique_listener_name(tls ? "imaps" : "imap");
    listener.address = endpoint->to_string();
    listener.tls = tls ? "implicit" : mode("tls_listen") ? "starttls" : "none";
    if (listener.tls == "none") {
      notes_.add(
          0, fmt::format("{}: passwords travel in the clear here, as before", listener.address));
    }
    config_.listeners.push_back(std::move(listener));
  }
}

void PerditionImporter::take_tls() {
  const std::string certificate = options_.value("ssl_cert_file");
  const std::string key = options_.value("ssl_key_file");
  if (mode("ssl_listen") || mode("tls_listen")) {
    config_.certificates.emplace_back(
        path(certificate.empty() ? "/etc/perdition/perdition.crt.pem" : certificate),
        path(key.empty() ? "/etc/perdition/perdition.key.pem" : key));
  }
  if (const std::string ciphers = options_.value("ssl_listen_ciphers"); !ciphers.empty()) {
    config_.values["tls.ciphers"] = json_text(ciphers);
  }
  if (const std::string least = options_.value("ssl_listen_min_proto_version"); !least.empty()) {
    config_.values["tls.minimum_version"] = least == "tlsv1.3" ? "\"1.3\"" : "\"1.2\"";
    if (least != "tlsv1.2" && least != "tlsv1.3") {
      note("ssl_listen_min_proto_version", "versions before TLS 1.2 are not offered");
    }
  }
}

void PerditionImporter::take_times() {
  const auto take = [this](std::string_view option, const std::string& key, std::string_view never,
                           std::chrono::milliseconds most) {
    const std::string text = options_.value(option);
    if (text.empty()) {
      return;
    }
    unsigned number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc() || end != text.data() + text.size()) {
      note(option, "left out: expected seconds");
    } else if (number == 0) {
      config_.values[key] = never;
      note(option, fmt::format("{} is {}: it must have an end", key, never));
    } else {
      config_.values[key] = bounded_duration(notes_, options_.last(option)->line, option, key,
                                             std::chrono::seconds(number), 1s, most);
    }
  };
  take("timeout", "relay.idle_timeout", "24h", 24h);
  take("authenticate_timeout", "login.timeout", "1h", 1h);
}

void PerditionImporter::take_outgoing() {
  const bool tls = mode("ssl_outgoing");
  popmap_.port = port("outgoing_port", tls ? 993 : 143);
  for (const std::string& server : options_.words("outgoing_server")) {
    const std::string backend = perdition_server(server, popmap_.port);
    if (backend.empty()) {
      note("outgoing_server", fmt::format("{} is left out: expected HOST or HOST:PORT", server));
    } else if (std::ranges::find(servers_, backend) == servers_.end()) {
      servers_.push_back(backend);
    }
  }
  if (servers_.size() > 1) {
    note("outgoing_server",
         "not in turn: a user stays with one of them (policy user_hash; "
         "policy: round_robin is there too)");
  }
  if (options_.has("domain_delimiter")) {
    popmap_.delimiter = options_.value("domain_delimiter");
  }
  popmap_.takes_user = options_.has("username_from_database");
  popmap_.strips_for_lookup = state("strip_domain", "servername_lookup");
  popmap_.strips_for_login = state("strip_domain", "remote_login");
  if (options_.has("strip_domain") && popmap_.delimiter != "@") {
    note("strip_domain",
         "what follows the last '@' is taken off, not what follows "
         "domain_delimiter");
  }
}

void PerditionImporter::take_map() {
  const std::string library = options_.value("map_library");
  if (options_.has("map_library") && library.empty()) {
    options_.value("map_library_opt");
    return;  // only outgoing_server
  }
  if (library.contains("mysql") || library.contains("postgresql")) {
    take_sql(library.contains("postgresql"));
  } else if (library.contains("ldap")) {
    take_ldap();
  } else if (library.contains("nis") || library.contains("odbc") || library.contains("daemon")) {
    note("map_library",
         "left out: use source sql, ldap or map, or a small HTTP script for "
         "source auth_http");
  } else {
    PopmapRules popmap = read_popmap(library.contains("regex"));
    if (!popmap.rules.empty()) {
      ImportedSource source{"map", "", {}, {}};
      if (popmap.rules.size() > kMostRulesHere) {
        source.values["map_file"] = "users.map";
        notes_.add(0, fmt::format("popmap: {} rules are too many for this file: make users.map of "
                                  "them, as docs/users/map.md says",
                                  popmap.rules.size()));
      } else {
        source.rules = std::move(popmap.rules);
      }
      add_mapped(std::move(source), std::move(popmap.backends));
    }
  }
}

PopmapRules PerditionImporter::read_popmap(bool regex) {
  std::string name = options_.value("map_library_opt");
  if (name.empty()) {
    name = regex ? "/etc/perdition/popmap.re" : "/etc/perdition/popmap";
  }
  // A database is made of a text file, which usually stands beside it.
  for (const std::string_view ending : {".db", ".gdbm", ".bdb", ".cdb"}) {
    if (!regex && name.ends_with(ending)) {
      name.resize(name.size() - ending.size());
    }
  }
  name = path(name);
  const PerditionLine* option = options_.last("map_library_opt");
  const int line = option != nullptr ? option->line : 0;
  const auto text = read_file_(name);
  if (!text) {
    notes_.add(line, fmt::format("popmap: {} cannot be read, so nothing is taken over of it; name "
                                 "the text file that the popmap is made of in map_library_opt",
                                 name));
    return {};
  }
  const auto lines = regex ? parse_perdition_lines(*text) : parse_popmap(*text);
  if (!lines) {
    notes_.add(line,
               fmt::format("popmap: {}:{}; nothing is taken over of it", name, lines.error()));
    return {};
  }
  PopmapRules popmap =
      regex ? import_regex_popmap(*lines, popmap_) : import_popmap(*lines, popmap_);
  for (const std::string& left_out : popmap.notes) {
    notes_.add(line, fmt::format("popmap: {}:{}", name, left_out));
  }
  return popmap;
}

// A source that names backends: these have a pool, of their own where outgoing_server has one too.
void PerditionImporter::add_mapped(ImportedSource source, std::vector<std::string> backends) {
  source.pool = servers_.empty() ? "main" : "popmap";
  config_.pools.push_back({source.pool, {}, std::move(backends)});
  config_.sources.push_back(std::move(source));
}

// "host:port:database:table:user:password:servercol:usercol:portcol"
void PerditionImporter::take_sql(bool postgresql) {
  std::array<std::string, 9> parts = {"localhost",    "",          "dbPerdition",
                                      "tblPerdition", "perdition", "perdition",
                                      "servername",   "user",      "port"};
  const std::string opt = options_.value("map_library_opt");
  std::size_t part = 0;
  for (std::size_t at = 0; at < opt.size() && part < parts.size(); ++part) {
    const std::size_t end = std::min(opt.find(':', at), opt.size());
    parts.at(part) = opt.substr(at, end - at);
    at = end + 1;
  }
  const auto& [host, port, database, table, user, password, server, name, port_column] = parts;
  for (const std::string* identifier : {&table, &server, &name, &port_column}) {
    if (identifier->empty() || !config::is_name(*identifier)) {
      note("map_library_opt",
           "left out: expected names of letters, digits and '_' for table and "
           "columns; write a source sql");
      return;
    }
  }
  ImportedSource source{"sql", "", {}, {}};
  source.values = {{"sql.driver", postgresql ? "postgresql" : "mysql"},
                   {"sql.host", json_text(host)},
                   {"sql.database", json_text(database)},
                   {"sql.user", json_text(user)},
                   {"sql.password", json_text(password)},
                   {"sql.check_password", "false"}};
  if (!port.empty() && std::ranges::all_of(port, [](char c) { return c >= '0' && c <= '9'; })) {
    source.values["sql.port"] = port;
  }
  const char quote = postgresql ? '"' : '`';
  const std::string host_column = quote + server + quote;
  const std::string column =
      fmt::format("COALESCE({}, '{}')", quote + port_column + quote, popmap_.port);
  const std::string backend = postgresql ? fmt::format("{} || ':' || {}", host_column, column)
                                         : fmt::format("CONCAT({}, ':', {})", host_column, column);
  source.values["sql.query"] = json_text(fmt::format(
      "SELECT {} AS backend FROM {} WHERE {} = :user", backend, table, quote + name + quote));
  notes_.add(0,
             "popmap: rows whose server has a user or a port in it ('jane@host', 'host:143') "
             "need another query: backend is HOST:PORT alone, and the user is a column 'user'");
  add_mapped(std::move(source), {});
}

// "[version:]ldap://host[ host]/base?user,host,port?scope?filter"
void PerditionImporter::take_ldap() {
  std::string url = options_.value("map_library_opt");
  const std::size_t begin = url.find("ldap");
  const std::size_t slashes = url.find("://");
  if (begin == std::string::npos || slashes == std::string::npos || slashes < begin) {
    notes_.add(0, "popmap: expected an LDAP URL in map_library_opt; write a source ldap");
    return;
  }
  const std::string scheme = url.substr(begin, slashes - begin);
  url = url.substr(slashes + 3);
  std::array<std::string, 5> parts;  // hosts/base, attributes, scope, filter, extensions
  for (std::size_t part = 0, at = 0; part < parts.size() && at <= url.size(); ++part) {
    const std::size_t end = std::min(url.find('?', at), url.size());
    parts.at(part) = url.substr(at, end - at);
    at = end + 1;
  }
  const std::size_t slash = std::min(parts[0].find('/'), parts[0].size());
  std::string servers;
  std::string hosts = parts[0].substr(0, slash) + " ";
  for (std::size_t at = 0; at < hosts.size(); at = hosts.find(' ', at) + 1) {
    if (const std::string host = hosts.substr(at, hosts.find(' ', at) - at); !host.empty()) {
      servers += (servers.empty() ? "" : ", ") + json_text(fmt::format("{}://{}", scheme, host));
    }
  }
  const std::size_t comma = std::min(parts[1].find(','), parts[1].size());
  const std::string rest = comma < parts[1].size() ? parts[1].substr(comma + 1) : "mailhost";
  const std::size_t key = parts[3].find("%s");
  if (key != std::string::npos) {
    parts[3].replace(key, 2, "{user}");
  }
  ImportedSource source{"ldap", "", {}, {}};
  source.values = {
      {"ldap.servers", fmt::format("[{}]", servers.empty() ? "\"ldap://localhost\"" : servers)},
      {"ldap.base",
       json_text(slash + 1 < parts[0].size() ? parts[0].substr(slash + 1) : "dc=example,dc=org")},
      {"ldap.scope", parts[2] == "sub"    ? "subtree"
                     : parts[2] == "base" ? "base"
                                          : "one"},
      {"ldap.filter", json_text(key != std::string::npos ? parts[3] : "(uid={user})")},
      {"ldap.passwords", "backend"},
      {"ldap.backend_attribute", json_text(rest.substr(0, rest.find(',')))},
      {"ldap.backend_port", std::to_string(popmap_.port)}};
  if (popmap_.takes_user && comma > 0) {
    source.values["ldap.user_attribute"] = json_text(parts[1].substr(0, comma));
  }
  notes_.add(0,
             "popmap: ports in LDAP stand in the attribute of the host here (HOST:PORT), and "
             "who searches is users[].ldap.bind_dn; both are to be looked at");
  add_mapped(std::move(source), {});
}

void PerditionImporter::finish_pools() {
  if (!servers_.empty() || config_.sources.empty()) {
    const bool map = popmap_.strips_for_login;
    config_.pools.insert(config_.pools.begin(), ImportedPool{"main", {}, servers_});
    config_.sources.push_back({map ? "map" : "backend", "main", {}, {}});
    if (map) {
      config_.sources.back().rules = {R"({pattern: ".+", rewrite: "{local_part}"})"};
    }
  }
  bool verify = true;
  for (const char* option : {"ssl_no_cert_verify", "ssl_no_cn_verify", "ssl_ca_accept_self_signed",
                             "ssl_cert_accept_self_signed", "ssl_cert_accept_expired",
                             "ssl_cert_accept_not_yet_valid"}) {
    if (options_.has(option)) {
      verify = false;
    }
  }
  const std::string ca = options_.value("ssl_ca_file");
  const bool tls = mode("ssl_outgoing") || mode("tls_outgoing");
  const std::string most = options_.value("connection_limit");
  const bool limited = !most.empty() && most.size() < 8 && most != "0" &&
                       std::ranges::all_of(most, [](char c) { return c >= '0' && c <= '9'; });
  for (ImportedPool& pool : config_.pools) {
    if (pool.backends.empty()) {
      notes_.add(0, fmt::format("pool {}: put the addresses of your mail servers in the place of "
                                "127.0.0.1:10143",
                                pool.name));
      pool.backends = {"127.0.0.1:10143"};
    }
    pool.values["tls"] = mode("ssl_outgoing") ? "implicit" : tls ? "starttls" : "none";
    if (tls && !verify) {
      pool.values["verify"] = "false";
    }
    if (tls && !ca.empty()) {
      pool.values["ca"] = yaml_text(path(ca));
    }
    if (limited) {
      pool.values["max_sessions"] = most;
    }
  }
  if (tls && !verify) {
    notes_.add(0,
               "certificates of backends are not verified at all (verify: false), since options "
               "ask for less than a whole check");
  }
  if (limited) {
    note("connection_limit", "counts the sessions that are logged in, of each pool");
  }
}

}  // namespace

std::expected<Import, std::string> import_perdition(std::string_view text,
                                                    const std::string& folder,
                                                    const ReadImportedFile& read_file) {
  auto lines = parse_perdition_config(text);
  if (!lines) {
    return std::unexpected(lines.error());
  }
  return PerditionImporter(PerditionOptions(*std::move(lines)), folder, read_file).run();
}

}  // namespace headgate::migration
