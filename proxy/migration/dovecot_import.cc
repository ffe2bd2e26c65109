#include "migration/dovecot_import.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "base/address.h"
#include "base/ascii.h"
#include "config/scalars.h"
#include "migration/dovecot_users.h"

namespace headgate::migration {
namespace {

using namespace std::chrono_literals;
using config::json_text;

// An inet_listener of imap-login.
struct InetListener {
  std::string name;
  std::string port;
  bool tls = false;
  bool haproxy = false;
  std::string addresses;  // empty: those of `listen`
  int line = 0;           // 0: one of Dovecot's own
};

class DovecotImporter {
 public:
  explicit DovecotImporter(DovecotImportState& state) : state_(state) {}
  // False: there is nothing that listens for IMAP.
  bool run();

 private:
  void take_protocols();
  void take_services();
  void take_service(const DovecotSetting& service);
  void take_inet_listener(const DovecotSetting& block);
  void take_certificates();
  void add_listeners();
  void add_listener(const InetListener& inet, std::string_view address);
  void take_haproxy(ImportedListener& listener, int line);
  void take_tls_versions();
  void take_tls();
  void take_login();
  void take_limits();
  void set(std::string_view key, const std::string& to);
  void set_time(std::string_view key, const std::string& to, std::chrono::milliseconds least,
                std::chrono::milliseconds most);

  DovecotImportState& state_;
  std::vector<InetListener> inet_ = {{"imap", "143", false, false, "", 0},
                                     {"imaps", "993", true, false, "", 0}};
  std::string tls_;  // the setting `ssl`
  bool imap_ = true;
};

bool DovecotImporter::run() {
  const std::string version = state_.view.value("dovecot_config_version");
  if (!version.empty()) {
    state_.notes.add(0, fmt::format("written for Dovecot {}: what 2.4 names otherwise than 2.3 is "
                                    "taken over in part",
                                    version));
  }
  state_.view.value("dovecot_storage_version");
  tls_ = state_.view.value("ssl");
  take_protocols();
  take_certificates();
  take_services();
  if (imap_) {
    add_listeners();
  }
  take_tls_versions();
  take_tls();
  take_login();
  take_limits();
  import_dovecot_users(state_);
  state_.view.note_the_rest(state_.notes);
  return !state_.config.listeners.empty();
}

void DovecotImporter::take_protocols() {
  const DovecotSetting* protocols = state_.view.last("protocols");
  if (protocols == nullptr) {
    return;
  }
  imap_ = false;
  for (const std::string& word : dovecot_words(protocols->value)) {
    if (word == "imap") {
      imap_ = true;
    } else {
      state_.note(*protocols, fmt::format("{}: Headgate speaks IMAP", word));
    }
  }
}

void DovecotImporter::take_services() {
  for (const DovecotSetting* service : state_.view.blocks("service")) {
    if (service->value == "imap-login") {
      take_service(*service);
    } else {
      state_.notes.add(service->line,
                       fmt::format("service {}: a process of Dovecot's, left out", service->value));
    }
  }
}

void DovecotImporter::take_service(const DovecotSetting& service) {
  for (const DovecotSetting& setting : service.block) {
    if (setting.key == "inet_listener") {
      take_inet_listener(setting);
    } else if (setting.key == "client_limit" || setting.key == "process_limit") {
      state_.note(setting, "see login.max_sessions for those who are not logged in, and workers");
    } else if (setting.key.ends_with("_listener")) {
      state_.note(setting, "left out: listeners have an address and a port");
    } else if (setting.key != "executable") {
      state_.note(setting, "Headgate is one process with threads; see workers");
    }
  }
}

void DovecotImporter::take_inet_listener(const DovecotSetting& block) {
  auto at = std::ranges::find(inet_, block.value, &InetListener::name);
  if (at == inet_.end()) {
    at = inet_.insert(inet_.end(), InetListener{block.value, "", false, false, "", 0});
  }
  at->line = block.line;
  for (const DovecotSetting& setting : block.block) {
    if (setting.key == "port") {
      at->port = setting.value;
    } else if (setting.key == "ssl") {
      at->tls = dovecot_yes(setting.value);
    } else if (setting.key == "haproxy") {
      at->haproxy = dovecot_yes(setting.value);
    } else if (setting.key == "address" || setting.key == "listen") {
      at->addresses = setting.value;
    } else {
      state_.note(setting, setting.key == "reuse_port" ? "always so" : "left out");
    }
  }
}

void DovecotImporter::take_certificates() {
  for (const auto& [certificate, key] :
       {std::pair("ssl_cert", "ssl_key"), std::pair("ssl_alt_cert", "ssl_alt_key"),
        std::pair("ssl_server_cert_file", "ssl_server_key_file")}) {
    const DovecotSetting* shown = state_.view.last(certificate);
    const DovecotSetting* secret = shown != nullptr ? state_.view.last(key) : nullptr;
    if (shown == nullptr || tls_ == "no") {
      continue;
    }
    if (secret == nullptr) {
      state_.note(*shown, fmt::format("left out: no {} is there with it", key));
      continue;
    }
    state_.config.certificates.emplace_back(state_.file_of(*shown), state_.file_of(*secret));
  }
}

void DovecotImporter::add_listeners() {
  std::string everywhere = state_.view.value("listen");
  everywhere = everywhere.empty() ? "*, ::" : everywhere;
  for (const InetListener& inet : inet_) {
    if (inet.port.empty() || inet.port == "0") {
      if (inet.line != 0) {
        state_.notes.add(inet.line, fmt::format("inet_listener {}: off, as before", inet.name));
      }
      continue;
    }
    if (inet.tls && tls_ == "no") {
      continue;
    }
    std::string addresses = inet.addresses.empty() ? everywhere : inet.addresses;
    std::ranges::replace(addresses, ',', ' ');
    for (const std::string& address : dovecot_words(addresses)) {
      add_listener(inet, address);
    }
  }
}

void DovecotImporter::add_listener(const InetListener& inet, std::string_view address) {
  std::string host(address == "*" ? "0.0.0.0" : address);
  if (host.contains(':') && !host.starts_with('[')) {
    host = fmt::format("[{}]", host);
  }
  const auto endpoint = Endpoint::parse(fmt::format("{}:{}", host, inet.port));
  const std::string what = fmt::format("inet_listener {}", inet.name);
  if (!endpoint) {
    state_.notes.add(inet.line, fmt::format("{}: {}:{} is left out: expected an address and a port",
                                            what, address, inet.port));
    return;
  }
  ImportedListener listener;
  listener.address = endpoint->to_string();
  listener.tls = inet.tls ? "implicit" : tls_ == "no" ? "none" : "starttls";
  if (listener.tls != "none" && state_.config.certificates.empty()) {
    state_.notes.add(inet.line, fmt::format("{}: {} is left out: no ssl_cert is there for its TLS",
                                            what, listener.address));
    return;
  }
  if (listener.tls == "none") {
    state_.notes.add(inet.line,
                     fmt::format("{}: passwords travel in the clear here, as before", what));
  }
  if (inet.haproxy) {
    take_haproxy(listener, inet.line);
  }
  listener.name = state_.config.unique_listener_name(config::is_name(inet.name) ? inet.name
                                                     : inet.tls                 ? "imaps"
                                                                                : "imap");
  state_.config.listeners.push_back(std::move(listener));
}

void DovecotImporter::take_haproxy(ImportedListener& listener, int line) {
  std::string networks = state_.view.value("haproxy_trusted_networks");
  std::ranges::replace(networks, ',', ' ');
  for (const std::string& network : dovecot_words(networks)) {
    if (Network::parse(network)) {
      listener.trusted.push_back(network);
    } else {
      state_.notes.add(line, fmt::format("haproxy_trusted_networks: {} is left out: expected a "
                                         "network in CIDR form",
                                         network));
    }
  }
  if (listener.trusted.empty()) {
    listener.trusted.emplace_back("127.0.0.0/8");
    state_.notes.add(line,
                     "proxy_protocol.trusted must name the load balancers; 127.0.0.0/8 "
                     "stands there for them");
  }
  const DovecotSetting* timeout = state_.view.last("haproxy_timeout");
  if (const auto time = timeout != nullptr ? parse_dovecot_time(timeout->value) : std::nullopt) {
    listener.header_timeout = bounded_duration(state_.notes, timeout->line, timeout->key,
                                               "proxy_protocol.timeout", *time, 100ms, 1min);
  }
}

void DovecotImporter::set(std::string_view key, const std::string& to) {
  if (const DovecotSetting* setting = state_.view.last(key);
      setting != nullptr && !setting->value.empty()) {
    state_.config.values[to] = json_text(setting->value);
  }
}

void DovecotImporter::set_time(std::string_view key, const std::string& to,
                               std::chrono::milliseconds least, std::chrono::milliseconds most) {
  const DovecotSetting* setting = state_.view.last(key);
  if (setting == nullptr) {
    return;
  }
  if (const auto time = parse_dovecot_time(setting->value)) {
    state_.config.values[to] =
        bounded_duration(state_.notes, setting->line, key, to, *time, least, most);
  } else {
    state_.note(*setting, "left out: expected a time");
  }
}

void DovecotImporter::take_tls_versions() {
  const DovecotSetting* least = state_.view.last("ssl_min_protocol");
  const DovecotSetting* list = state_.view.last("ssl_protocols");
  if (least != nullptr) {
    const bool tls13 = least->value == "TLSv1.3";
    state_.config.values["tls.minimum_version"] = tls13 ? "\"1.3\"" : "\"1.2\"";
    if (!tls13 && least->value != "TLSv1.2") {
      state_.note(*least, "versions before TLS 1.2 are too old and not offered");
    }
  }
  if (list != nullptr) {
    state_.note(*list, "left out: TLS 1.2 and 1.3 are offered; see tls.minimum_version");
  }
}

void DovecotImporter::take_tls() {
  set("ssl_cipher_list", "tls.ciphers");
  set("ssl_cipher_suites", "tls.cipher_suites");
  set("ssl_curve_list", "tls.groups");
  if (const auto groups = state_.config.values.find("tls.groups");
      groups != state_.config.values.end() && groups->second == "\"auto\"") {
    state_.config.values.erase(groups);
  }
  if (const DovecotSetting* options = state_.view.last("ssl_options")) {
    for (const std::string& option : dovecot_words(options->value)) {
      if (option == "no_ticket") {
        state_.config.values["tls.session_tickets"] = "0";
      } else if (option != "no_compression") {
        state_.note(*options, fmt::format("{} is left out", option));
      }
    }
  }
}

void DovecotImporter::take_login() {
  const DovecotSetting* greeting = state_.view.last("login_greeting");
  if (greeting != nullptr) {
    const std::string& text = greeting->value;
    const bool good = !text.empty() && text.size() <= 200 && text.front() != '[' &&
                      std::ranges::all_of(text, [](char c) { return c >= ' ' && c <= '~'; });
    if (good) {
      state_.config.values["login.greeting"] = json_text(text);
    } else {
      state_.note(*greeting, "left out: expected 1 to 200 characters of printable ASCII");
    }
  }
  set_time("auth_failure_delay", "login.failure_delay", 0s, 1min);
  if (const DovecotSetting* plain = state_.view.last("disable_plaintext_auth");
      plain != nullptr && plain->value == "no" && tls_ != "no") {
    state_.note(*plain, "logins before STARTTLS are refused");
  }
  if (const DovecotSetting* mechanisms = state_.view.last("auth_mechanisms")) {
    for (const std::string& found : dovecot_words(mechanisms->value)) {
      const std::string word = lower_case(found);
      if (word == "xoauth2" || word == "oauthbearer") {
        state_.note(*mechanisms, fmt::format("{} is offered where a source or the backends can "
                                             "check tokens; see docs/sasl.md",
                                             word));
      } else if (word.starts_with("scram-") || word == "cram-md5") {
        state_.note(*mechanisms, fmt::format("{} is offered where listeners[].sasl names it; see "
                                             "docs/users/scram.md",
                                             word));
      } else if (word != "plain" && word != "login") {
        state_.note(*mechanisms, fmt::format("{} is not taken over; see docs/sasl.md", word));
      }
    }
  }
}

void DovecotImporter::take_limits() {
  if (const DovecotSetting* most = state_.view.last("mail_max_userip_connections")) {
    unsigned number = 0;
    const char* end = most->value.data() + most->value.size();
    const auto [stop, error] = std::from_chars(most->value.data(), end, number);
    if (error == std::errc() && stop == end && number <= 10'000'000) {
      state_.config.values["limits.sessions_per_user_and_network"] = std::to_string(number);
      state_.note(*most,
                  "Dovecot's proxies leave this to the backends, Headgate refuses by itself; "
                  "keep the backends' own limit at least as high");
    } else {
      state_.note(*most, "left out: expected a number");
    }
  }
  const DovecotSetting* trusted = state_.view.last("login_trusted_networks");
  if (trusted == nullptr) {
    return;
  }
  std::string networks = "\"127.0.0.0/8\", \"::1/128\"";
  std::string words = trusted->value;
  std::ranges::replace(words, ',', ' ');
  for (const std::string& network : dovecot_words(words)) {
    if (Network::parse(network)) {
      networks += fmt::format(", {}", json_text(network));
    } else {
      state_.note(*trusted,
                  fmt::format("{} is left out: expected a network in CIDR form", network));
    }
  }
  state_.config.values["guessing.exempt"] = fmt::format("[{}]", networks);
  state_.note(*trusted,
              "failed logins from there do not count against the address; client addresses that "
              "are sent in an ID command from there are not believed, use proxy_protocol; backends "
              "need the addresses of this machine in their own login_trusted_networks");
}

}  // namespace

std::expected<Import, std::string> import_dovecot(std::string_view text, const std::string& folder,
                                                  const ReadImportedFile& read_file) {
  auto parsed = parse_dovecot_config(text);
  if (!parsed) {
    return std::unexpected(parsed.error());
  }
  ImportNotes notes;
  expand_dovecot_variables(*parsed, [&](int line, const std::string& variable) {
    notes.add(line, fmt::format("{} stays as it is: {}", variable,
                                variable.starts_with("$ENV:")
                                    ? "Dovecot's environment is not known here; write its value"
                                    : "nothing before says what it is"));
  });
  DovecotImportState state{DovecotView(*parsed), folder, read_file, std::move(notes), {}};
  if (!DovecotImporter(state).run()) {
    return std::unexpected(
        "1: expected a listener for IMAP: protocols with imap, and ssl_cert with ssl_key, or ssl = "
        "no");
  }
  return Import{state.config.to_yaml(), state.notes.in_file_order()};
}

}  // namespace headgate::migration
