#include "migration/nginx_import.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "base/address.h"
#include "base/url.h"
#include "config/scalars.h"
#include "migration/imported_config.h"
#include "migration/nginx_config.h"
#include "migration/nginx_left_out.h"

namespace headgate::migration {
namespace {

using Block = std::vector<NginxDirective>;
using std::chrono::milliseconds;

// Words of imap_auth: what clients are offered, and by what name the service knows the login.
struct NginxMechanism {
  std::string_view word;
  std::string_view mechanism;
  std::string_view method;
};
constexpr std::array<NginxMechanism, 6> kMechanisms = {{{"plain", "PLAIN", "plain"},
                                                        {"login", "LOGIN", "plain"},
                                                        {"cram-md5", "CRAM-MD5", "cram-md5"},
                                                        {"external", "EXTERNAL", "external"},
                                                        {"xoauth2", "XOAUTH2", "token"},
                                                        {"oauthbearer", "OAUTHBEARER", "token"}}};

std::optional<std::size_t> parse_size(std::string_view text) {
  std::size_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const std::string_view unit(end, static_cast<std::size_t>(text.data() + text.size() - end));
  if (error != std::errc() || number > 1'000'000) {
    return std::nullopt;
  }
  if (unit == "k" || unit == "K") {
    return number * 1024;
  }
  if (unit == "m" || unit == "M") {
    return number * 1024 * 1024;
  }
  return unit.empty() ? std::optional(number) : std::nullopt;
}

class Importer {
 public:
  Importer(const Block& main, const NginxDirective& mail, const std::string& folder)
      : main_(main), mail_(mail.block), folder_(folder) {}

  Import run();
  [[nodiscard]] bool anything() const { return !config_.listeners.empty(); }

 private:
  void note(int line, std::string text) { notes_.add(line, std::move(text)); }
  void note(const NginxDirective& directive, std::string_view text) {
    note(directive.line, fmt::format("{}: {}", directive.name, text));
  }

  // The directives of this name in the server, or else in the mail block.
  std::vector<const NginxDirective*> all(const Block& server, std::string_view name) const;
  const NginxDirective* last(const Block& server, std::string_view name) const;
  // First argument; empty where there is none.
  std::string value(const Block& server, std::string_view name) const;

  void take_server(const NginxDirective& server);
  void take_listen(const NginxDirective& listen, const Block& server);
  void take_certificates(const Block& server);
  void take_auth(const Block& server);
  void take_mechanisms(const Block& server, ImportedListener& listener);
  void take_client_certificates(const Block& server, ImportedListener& listener);
  void take_tls(const Block& server);
  void take_limits(const Block& server);
  void take_duration(const Block& server, std::string_view name, const std::string& key,
                     milliseconds least, milliseconds most);
  void note_left_out(const Block& block);
  // One value for all servers: the first one stands.
  void set(const std::string& key, std::string text, int line);
  void add_pool();
  std::string path(const std::string& name) const {
    return (std::filesystem::path(folder_) / name).lexically_normal().string();
  }
  const Block& main_;
  const Block& mail_;
  const std::string& folder_;
  ImportNotes notes_;
  ImportedConfig config_;
  std::optional<Url> url_;  // of the auth server; without one the backend checks passwords
  std::set<std::string_view> methods_ = {"plain"};  // of all servers together
  bool pass_client_cert_ = false;
  std::vector<std::pair<std::string, std::string>> headers_;
};

std::vector<const NginxDirective*> Importer::all(const Block& server, std::string_view name) const {
  std::vector<const NginxDirective*> found;
  for (const Block* block : {&server, &mail_}) {
    for (const NginxDirective& directive : *block) {
      if (directive.name == name && !directive.arguments.empty()) {
        found.push_back(&directive);
      }
    }
    if (!found.empty()) {
      break;
    }
  }
  return found;
}

const NginxDirective* Importer::last(const Block& server, std::string_view name) const {
  const auto found = all(server, name);
  return found.empty() ? nullptr : found.back();
}

std::string Importer::value(const Block& server, std::string_view name) const {
  const NginxDirective* directive = last(server, name);
  return directive != nullptr ? directive->arguments.front() : "";
}

void Importer::set(const std::string& key, std::string text, int line) {
  const auto [at, fresh] = config_.values.emplace(key, text);
  if (!fresh && at->second != text) {
    note(line, fmt::format("{} is one for all listeners: {} stands, {} is left out", key,
                           at->second, text));
  }
}

Import Importer::run() {
  for (const NginxDirective& directive : main_) {
    if (directive.name == "worker_processes" && !directive.arguments.empty()) {
      const std::string& workers = directive.arguments.front();
      set("workers", workers == "auto" ? "0" : workers, directive.line);
    }
  }
  note_left_out(mail_);
  for (const NginxDirective& directive : mail_) {
    if (directive.name == "server") {
      note_left_out(directive.block);
      take_server(directive);
    }
  }
  add_pool();
  return {config_.to_yaml(), notes_.in_file_order()};
}

void Importer::add_pool() {
  if (!url_) {
    note(0,
         "auth_http: not found, so the backend checks passwords: put its address in place of "
         "127.0.0.1:10143");
    config_.pools = {{"main", {}, {"127.0.0.1:10143"}}};
    config_.sources = {{"backend", "main", {}, {}}};
    return;
  }
  config_.pools = {{"main", {{"tls", "none"}}, {}}};
  ImportedSource source{"auth_http", "main", {{"http.keep_alive", "true"}}, {}};
  source.values["url"] = config::json_text(url_->to_string());
  if (const auto timeout = config_.values.find("http.timeout"); timeout != config_.values.end()) {
    source.values[timeout->first] = timeout->second;
  }
  std::string headers;
  for (const auto& [name, value] : headers_) {
    headers += fmt::format("{}{{name: {}, value: {}}}", headers.empty() ? "" : ", ",
                           config::json_text(name), config::json_text(value));
  }
  if (!headers.empty()) {
    source.values["http.headers"] = fmt::format("[{}]", headers);
  }
  if (methods_.size() > 1) {
    source.values["http.methods"] = fmt::format("[{}]", fmt::join(methods_, ", "));
  }
  if (pass_client_cert_) {
    source.values["http.pass_client_cert"] = "true";
  }
  config_.sources.push_back(std::move(source));
}

void Importer::note_left_out(const Block& block) {
  for (const NginxDirective& directive : block) {
    if (const std::string_view why = why_nginx_left_out(directive.name); !why.empty()) {
      note(directive, why);
    } else if (!is_nginx_translated(directive.name)) {
      note(directive, "unknown, left out");
    }
  }
}

void Importer::take_server(const NginxDirective& server) {
  const auto listens = all(server.block, "listen");
  std::string protocol = value(server.block, "protocol");
  if (protocol.empty() && !listens.empty()) {
    const std::string& where = listens.front()->arguments.front();
    const std::string port = where.substr(where.rfind(':') + 1);
    const std::set<std::string_view> others = {"110", "995", "25", "465", "587"};
    protocol = others.contains(port) ? "pop3 or smtp" : "imap";
  }
  if (protocol != "imap") {
    note(server.line, fmt::format("server: left out: it speaks {}, Headgate speaks IMAP",
                                  protocol.empty() ? "nothing" : protocol));
    return;
  }
  for (const NginxDirective* listen : listens) {
    take_listen(*listen, server.block);
  }
  take_certificates(server.block);
  take_auth(server.block);
  take_tls(server.block);
  take_limits(server.block);
}

void Importer::take_listen(const NginxDirective& listen, const Block& server) {
  std::string where = listen.arguments.front();
  if (where.find(':') == std::string::npos) {
    where = "*:" + where;
  }
  if (where.starts_with("*:")) {
    where.replace(0, 1, "0.0.0.0");
  }
  const auto endpoint = Endpoint::parse(where);
  if (!endpoint) {
    note(listen, fmt::format("left out: expected an address and a port, found '{}'",
                             listen.arguments.front()));
    return;
  }
  const auto has = [&](std::string_view word) {
    return std::ranges::find(listen.arguments, word) != listen.arguments.end();
  };
  ImportedListener listener;
  listener.address = endpoint->to_string();
  const std::string starttls = value(server, "starttls");
  if (has("ssl") || value(server, "ssl") == "on") {
    listener.tls = "implicit";
  } else if (starttls == "on" || starttls == "only") {
    listener.tls = "starttls";
    if (starttls == "on") {
      note(listen, "logins before STARTTLS are refused here, as with starttls only");
    }
  } else {
    note(listen, "passwords travel in the clear here, as before");
  }
  if (has("proxy_protocol")) {
    for (const NginxDirective* trusted : all(server, "set_real_ip_from")) {
      if (Network::parse(trusted->arguments.front())) {
        listener.trusted.push_back(trusted->arguments.front());
      } else {
        note(*trusted, "left out: expected a network in CIDR form");
      }
    }
    if (listener.trusted.empty()) {
      listener.trusted.emplace_back("127.0.0.0/8");
      note(listen,
           "proxy_protocol.trusted must name the load balancers; 127.0.0.0/8 stands there "
           "for them");
    }
  }
  for (const std::string& argument : listen.arguments) {
    if (argument.starts_with("backlog=")) {
      listener.backlog = argument.substr(8);
    }
  }
  take_client_certificates(server, listener);
  take_mechanisms(server, listener);
  listener.name = config_.unique_listener_name(listener.tls == "implicit" ? "imaps" : "imap");
  config_.listeners.push_back(std::move(listener));
}

void Importer::take_certificates(const Block& server) {
  const auto certificates = all(server, "ssl_certificate");
  const auto keys = all(server, "ssl_certificate_key");
  for (std::size_t i = 0; i < std::min(certificates.size(), keys.size()); ++i) {
    const std::pair pair(path(certificates[i]->arguments.front()),
                         path(keys[i]->arguments.front()));
    if (std::ranges::find(config_.certificates, pair) == config_.certificates.end()) {
      if (!config_.certificates.empty()) {
        note(*certificates[i],
             "all listeners show the same certificates: at most one RSA and one "
             "ECDSA certificate can stand there");
      }
      config_.certificates.push_back(pair);
    }
  }
}

void Importer::take_auth(const Block& server) {
  const NginxDirective* auth = last(server, "auth_http");
  if (auth == nullptr) {
    return;
  }
  std::string text = auth->arguments.front();
  if (!text.starts_with("http://") && !text.starts_with("https://")) {
    text = "http://" + text;
  }
  const auto url = Url::parse(text);
  if (!url) {
    note(*auth, "left out: " + url.error());
    return;
  }
  if (url_ && *url_ != *url) {
    note(*auth, fmt::format("one source serves all listeners: {} stands, {} is left out",
                            url_->to_string(), url->to_string()));
    return;
  }
  url_ = *url;
  headers_.clear();
  for (const NginxDirective* header : all(server, "auth_http_header")) {
    if (header->arguments.size() == 2) {
      headers_.emplace_back(header->arguments[0], header->arguments[1]);
    }
  }
  take_duration(server, "auth_http_timeout", "http.timeout", milliseconds(50), milliseconds(10000));
}

void Importer::take_mechanisms(const Block& server, ImportedListener& listener) {
  const NginxDirective* mechanisms = last(server, "imap_auth");
  if (mechanisms == nullptr || last(server, "auth_http") == nullptr) {
    return;
  }
  bool more_than_passwords = false;
  for (const NginxMechanism& known : kMechanisms) {
    if (std::ranges::find(mechanisms->arguments, known.word) == mechanisms->arguments.end()) {
      continue;
    }
    if (known.word == "external" && !listener.values.contains("client_certificates.ca")) {
      note(*mechanisms, listener.values.empty()
                            ? "external is not offered without ssl_verify_client"
                            : "external is not offered without ssl_client_certificate: a "
                              "certificate that nobody vouches for lets nobody in");
      continue;
    }
    listener.sasl.push_back(known.mechanism);
    methods_.insert(known.method);
    more_than_passwords = more_than_passwords || known.method != "plain";
  }
  for (const std::string& word : mechanisms->arguments) {
    if (std::ranges::find(kMechanisms, word, &NginxMechanism::word) == kMechanisms.end()) {
      note(*mechanisms, fmt::format("{} is not offered", word));
    }
  }
  if (!more_than_passwords) {
    listener.sasl.clear();
  }
}

void Importer::take_client_certificates(const Block& server, ImportedListener& listener) {
  const NginxDirective* verify = last(server, "ssl_verify_client");
  const std::string wanted = value(server, "ssl_verify_client");
  if (verify == nullptr || wanted == "off" || listener.tls == "none") {
    return;
  }
  const std::string ca = value(server, "ssl_client_certificate");
  const bool others = wanted == "optional_no_ca";
  if (!others && (ca.empty() || (wanted != "on" && wanted != "optional"))) {
    note(*verify, "left out: only certificates that ssl_client_certificate vouches for are taken");
    return;
  }
  const auto set = [&](const std::string& key, std::string text) {
    listener.values.emplace("client_certificates." + key, std::move(text));
  };
  if (others) {
    set("unknown_authorities", "true");
  }
  if (!ca.empty()) {
    set("ca", config::json_text(path(ca)));
  }
  set("required", wanted == "on" ? "true" : "false");
  const std::string depth = value(server, "ssl_verify_depth");
  set("depth", depth.empty() ? "1" : depth);
  if (const std::string crl = value(server, "ssl_crl"); !crl.empty() && !ca.empty()) {
    set("crl", config::json_text(path(crl)));
  }
  pass_client_cert_ = pass_client_cert_ || value(server, "auth_http_pass_client_cert") == "on";
}

void Importer::take_tls(const Block& server) {
  if (const NginxDirective* protocols = last(server, "ssl_protocols")) {
    const bool tls12 =
        std::ranges::find(protocols->arguments, "TLSv1.2") != protocols->arguments.end();
    set("tls.minimum_version", tls12 ? "\"1.2\"" : "\"1.3\"", protocols->line);
    for (const std::string& version : protocols->arguments) {
      if (version != "TLSv1.2" && version != "TLSv1.3") {
        note(*protocols, fmt::format("{} is too old and not offered", version));
      }
    }
  }
  const auto copy = [&](std::string_view from, const std::string& to) {
    const NginxDirective* directive = last(server, from);
    if (directive != nullptr && directive->arguments.front() != "auto") {
      set(to, config::json_text(directive->arguments.front()), directive->line);
    }
  };
  copy("ssl_ciphers", "tls.ciphers");
  copy("ssl_ecdh_curve", "tls.groups");
  for (const NginxDirective* command : all(server, "ssl_conf_command")) {
    if (command->arguments.size() == 2 && command->arguments[0] == "Ciphersuites") {
      set("tls.cipher_suites", config::json_text(command->arguments[1]), command->line);
    } else {
      note(*command, "left out");
    }
  }
  if (value(server, "ssl_session_tickets") == "off") {
    set("tls.session_tickets", "0", last(server, "ssl_session_tickets")->line);
  }
}

void Importer::take_duration(const Block& server, std::string_view name, const std::string& key,
                             milliseconds least, milliseconds most) {
  const NginxDirective* directive = last(server, name);
  if (directive == nullptr) {
    return;
  }
  const auto time = parse_nginx_time(directive->arguments.front());
  if (!time) {
    note(*directive, "left out: expected a time");
    return;
  }
  set(key, bounded_duration(notes_, directive->line, name, key, *time, least, most),
      directive->line);
}

void Importer::take_limits(const Block& server) {
  using namespace std::chrono_literals;
  take_duration(server, "timeout", "login.timeout", 1s, 1h);
  if (const NginxDirective* timeout = last(server, "timeout")) {
    note(*timeout, "bounds the whole time before login, not each wait for the client");
  }
  take_duration(server, "proxy_timeout", "relay.idle_timeout", 1s, 24h);
  if (const NginxDirective* errors = last(server, "max_errors")) {
    set("login.max_bad_commands", errors->arguments.front(), errors->line);
  }
  const auto size = [&](std::string_view name, const std::string& key, std::size_t least) {
    const NginxDirective* directive = last(server, name);
    if (directive == nullptr) {
      return;
    }
    if (const auto bytes = parse_size(directive->arguments.front())) {
      set(key, std::to_string(std::clamp(*bytes, least, std::size_t{1024 * 1024})),
          directive->line);
    } else {
      note(*directive, "left out: expected a size");
    }
  };
  size("imap_client_buffer", "login.max_line", 512);
  size("proxy_buffer", "relay.buffer_size", 4096);
}

}  // namespace

std::expected<Import, std::string> import_nginx(std::string_view text, const std::string& folder) {
  const auto parsed = parse_nginx_config(text);
  if (!parsed) {
    return std::unexpected(parsed.error());
  }
  // The whole of nginx.conf, or a file that nginx.conf includes in its mail block.
  const auto mail = std::ranges::find(*parsed, "mail", &NginxDirective::name);
  const NginxDirective bare{"mail", {}, 1, *parsed};
  Importer importer(*parsed, mail != parsed->end() ? *mail : bare, folder);
  Import result = importer.run();
  if (!importer.anything()) {
    return std::unexpected("1: expected a mail block with a server that listens and speaks IMAP");
  }
  return result;
}

}  // namespace headgate::migration
