#include "imap/backend_login.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <utility>

#include "base/printable.h"
#include "imap/id_command.h"
#include "imap/login_plan.h"
#include "imap/sasl.h"
#include "imap/syntax.h"

namespace headgate::imap {

namespace {

using dialogue::BackendEvent;
using dialogue::BackendFailed;
using dialogue::BackendLoggedIn;
using dialogue::BackendReady;
using dialogue::BackendStep;
using dialogue::LoginFailure;
using dialogue::NoAction;
using Kind = ResponseLine::Kind;
using Status = ResponseLine::Status;

constexpr std::array<std::string_view, 5> kSentNames = {"starttls", "capability", "id", "login",
                                                        "authenticate"};
constexpr std::array<std::string_view, 8> kReceivedNames = {
    "none", "greeting", "starttls", "capability", "id", "continuation", "login", "bye"};

struct CodeRow {
  std::string_view code;
  LoginFailure failure;
};
// What a NO to the login means by its code (RFC 5530); any other code, or none, speaks of the
// credentials.
constexpr CodeRow kCodes[] = {
    {"UNAVAILABLE", LoginFailure::kBackendUnavailable},
    {"INUSE", LoginFailure::kBackendUnavailable},
    {"SERVERBUG", LoginFailure::kBackendMisconfigured},
    {"LIMIT", LoginFailure::kBackendLimit},
    {"EXPIRED", LoginFailure::kExpired},
    {"AUTHORIZATIONFAILED", LoginFailure::kAuthorizationRefused},
    {"CONTACTADMIN", LoginFailure::kAccountDisabled},
    {"PRIVACYREQUIRED", LoginFailure::kBackendMisconfigured},
};

LoginFailure failure_for(std::string_view code) {
  const auto* const row = std::find_if(
      std::begin(kCodes), std::end(kCodes),
      [&](const CodeRow& candidate) { return equals_ignoring_case(candidate.code, code); });
  return row == std::end(kCodes) ? LoginFailure::kWrongCredentials : row->failure;
}

std::string quote_for_log(const ResponseLine& line) {
  std::string words(line.word);
  if (!line.code.empty()) {
    words += " [" + std::string(line.code) + "]";
  }
  words += ' ';
  words += line.text;
  return printable(words);
}

}  // namespace

BackendLogin::BackendLogin(BackendLoginOptions options) : options_(options) {
  name_state();
}

BackendStep BackendLogin::on_bytes(std::string_view in, Secret& out) {
  BackendStep step;
  bool ready = false;
  while (state_ != State::kOver && state_ != State::kTlsHandshake) {
    const auto [taken, event] = reader_.feed(in.substr(step.consumed));
    step.consumed += taken;
    if (event == ResponseReader::Event::kNone) {
      step.event = ready ? BackendEvent(BackendReady{}) : BackendEvent(NoAction{});
      return step;
    }
    step.event = event == ResponseReader::Event::kTooLong
                     ? fail(LoginFailure::kBackendProtocol, "response is too long")
                     : on_response(out);
    if (std::holds_alternative<BackendReady>(step.event)) {
      ready = true;  // lines may follow that belong to the time before the login
    } else if (!std::holds_alternative<NoAction>(step.event)) {
      return step;
    }
  }
  // In the clear behind STARTTLS, or behind a failure.
  step.consumed = in.size();
  return step;
}

BackendEvent BackendLogin::on_response(Secret& out) {
  const ResponseLine line = parse_response(reader_.text());
  if (state_ == State::kGreeting) {
    return on_greeting(line, out);
  }
  switch (line.kind) {
    case Kind::kGarbage:
      break;
    case Kind::kContinuation:
      return on_continuation(out);
    case Kind::kStatus:
    case Kind::kData:
      return line.untagged() ? on_untagged(line) : on_tagged(line, out);
  }
  return fail(LoginFailure::kBackendProtocol, "no IMAP: " + printable(reader_.text()));
}

BackendEvent BackendLogin::on_greeting(const ResponseLine& line, Secret& out) {
  if (line.kind != Kind::kStatus || !line.untagged()) {
    return fail(LoginFailure::kBackendGreeting, "no IMAP: " + printable(reader_.text()));
  }
  received(Received::kGreeting);
  if (line.status != Status::kOk) {
    const LoginFailure failure = failure_for(line.code) == LoginFailure::kBackendUnavailable
                                     ? LoginFailure::kBackendUnavailable
                                     : LoginFailure::kBackendGreeting;
    return fail(failure, "greeting: ", line);
  }
  if (equals_ignoring_case(line.code, "CAPABILITY")) {
    learn_capabilities(line.code_rest);
  }
  if (options_.starttls) {
    if (capabilities_.empty()) {
      ask_capability(State::kClearCapability, out);
      return NoAction{};
    }
    return ask_starttls(out);
  }
  if (capabilities_.empty()) {
    ask_capability(State::kCapability, out);
    return NoAction{};
  }
  return be_ready(out);
}

BackendEvent BackendLogin::on_untagged(const ResponseLine& line) {
  if (line.kind == Kind::kStatus && line.status == Status::kBye) {
    said_bye_ = true;
    received(Received::kBye);
    // During a login its tagged reply may still tell more.
    return sent_ == kNothing ? fail(LoginFailure::kBackendUnavailable, "", line) : NoAction{};
  }
  if (equals_ignoring_case(line.word, "CAPABILITY")) {
    learn_capabilities(line.text);
  } else if (line.kind == Kind::kStatus && equals_ignoring_case(line.code, "CAPABILITY")) {
    learn_capabilities(line.code_rest);
  } else if (!equals_ignoring_case(line.word, "ID") &&
             (state_ == State::kLogin || state_ == State::kLoggedInCapability)) {
    keep_for_client();
  }
  return NoAction{};
}

BackendEvent BackendLogin::on_tagged(const ResponseLine& line, Secret& out) {
  if (line.tag == kCapabilityTag && (sent_ & kSentCapability) != 0) {
    return on_capability_reply(line, out);
  }
  if (line.tag == kStartTlsTag && (sent_ & kSentStartTls) != 0) {
    return on_starttls_reply(line);
  }
  if (line.tag == kIdTag && (sent_ & kSentId) != 0) {
    return on_id_reply(line);
  }
  if (line.tag == kLoginTag && (sent_ & (kSentLogin | kSentAuthenticate)) != 0) {
    return on_login_reply(line, out);
  }
  return fail(LoginFailure::kBackendProtocol, "reply to nothing that was sent");
}

BackendEvent BackendLogin::on_capability_reply(const ResponseLine& line, Secret& out) {
  received(Received::kCapability, kSentCapability);
  if (state_ == State::kLoggedInCapability) {
    return logged_in();  // with what it told, be it nothing
  }
  if (line.status != Status::kOk || capabilities_.empty()) {
    return fail(LoginFailure::kBackendProtocol, "to CAPABILITY: ", line);
  }
  return state_ == State::kClearCapability ? ask_starttls(out) : be_ready(out);
}

BackendEvent BackendLogin::ask_starttls(Secret& out) {
  if (!capabilities_.has("STARTTLS")) {
    return fail(LoginFailure::kBackendMisconfigured, "no STARTTLS");
  }
  out.append(kStartTlsTag);
  out.append(" STARTTLS\r\n");
  state_ = State::kStartTls;
  sent(kSentStartTls);
  return NoAction{};
}

BackendEvent BackendLogin::on_starttls_reply(const ResponseLine& line) {
  received(Received::kStartTls, kSentStartTls);
  if (line.status != Status::kOk) {
    return fail(failure_for(line.code) == LoginFailure::kBackendUnavailable
                    ? LoginFailure::kBackendUnavailable
                    : LoginFailure::kBackendMisconfigured,
                "to STARTTLS: ", line);
  }
  state_ = State::kTlsHandshake;
  return dialogue::StartTls{};
}

BackendStep BackendLogin::on_tls_established(Secret& out) {
  // What was said in the clear may have been said by anybody.
  reader_.reset();
  capabilities_ = {};
  ask_capability(State::kCapability, out);
  return {};
}

void BackendLogin::ask_capability(State next, Secret& out) {
  out.append(kCapabilityTag);
  out.append(" CAPABILITY\r\n");
  state_ = next;
  sent(kSentCapability);
}

BackendEvent BackendLogin::be_ready(Secret& out) {
  if (request_) {
    return send_login(out);
  }
  state_ = State::kReady;
  return BackendReady{};
}

BackendStep BackendLogin::log_in(dialogue::BackendLoginRequest request, Secret& out) {
  if (state_ == State::kOver) {
    return {0, fail(LoginFailure::kBackendUnavailable, "login on a connection that failed")};
  }
  request.client.ttl = hops_left(request.client.id, request.client.ttl);
  if (request.client.ttl <= 1) {
    return {0, fail(LoginFailure::kLoop, "x-proxy-ttl is used up")};
  }
  if (!acceptable_user(request.user) || !acceptable_secret(request.password.view()) ||
      (!request.authorization.empty() && !acceptable_user(request.authorization))) {
    return {0, fail(LoginFailure::kInternal, "credentials that cannot be sent")};
  }
  request_ = std::move(request);
  return {0, state_ == State::kReady ? send_login(out) : NoAction{}};
}

BackendEvent BackendLogin::send_login(Secret& out) {
  auto plan = plan_login(*request_, capabilities_);
  request_.reset();  // wipes the password
  if (!plan) {
    return fail(plan.error().failure, std::move(plan.error().detail));
  }
  out.append(plan->first.view());
  on_continuation_ = std::move(plan->on_continuation);
  std::reverse(on_continuation_.begin(), on_continuation_.end());
  capabilities_are_fresh_ = false;
  state_ = State::kLogin;
  if (plan->id) {
    sent(kSentId);
  }
  sent(plan->authenticate ? kSentAuthenticate : kSentLogin);
  return NoAction{};
}

BackendEvent BackendLogin::on_continuation(Secret& out) {
  if (on_continuation_.empty()) {
    return fail(LoginFailure::kBackendProtocol, "asks for more than there is to send");
  }
  received(Received::kContinuation);
  out.append(on_continuation_.back().view());
  on_continuation_.pop_back();
  return NoAction{};
}

BackendEvent BackendLogin::on_id_reply(const ResponseLine& line) {
  received(Received::kId, kSentId);
  // Dovecot says so when the forwarded addresses lead it to a configuration that does not load.
  if (line.status == Status::kNo && equals_ignoring_case(line.code, "SERVERBUG")) {
    return fail(LoginFailure::kBackendMisconfigured, "to ID: ", line);
  }
  return NoAction{};
}

BackendEvent BackendLogin::on_login_reply(const ResponseLine& line, Secret& out) {
  received(Received::kLogin, static_cast<Sent>(kSentLogin | kSentAuthenticate));
  on_continuation_.clear();
  if (line.status == Status::kNo) {
    return fail(failure_for(line.code), "", line);
  }
  if (line.status != Status::kOk) {
    // Its words may repeat the command, and with it the password.
    return fail(LoginFailure::kBackendProtocol, "BAD to the login");
  }
  if (said_bye_) {
    return fail(LoginFailure::kBackendUnavailable, "BYE during the login");
  }
  if ((sent_ & kSentId) != 0) {
    return fail(LoginFailure::kBackendProtocol, "no reply to ID");
  }
  welcome_.text = line.text;
  if (equals_ignoring_case(line.code, "CAPABILITY")) {
    learn_capabilities(line.code_rest);
  } else if (!line.code.empty()) {
    welcome_.code = line.code;
    if (!line.code_rest.empty()) {
      welcome_.code += ' ';
      welcome_.code += line.code_rest;
    }
  }
  if (!capabilities_are_fresh_) {
    capabilities_ = {};
    ask_capability(State::kLoggedInCapability, out);
    return NoAction{};
  }
  return logged_in();
}

BackendEvent BackendLogin::logged_in() {
  state_ = State::kOver;
  welcome_.capabilities = capabilities_.text();
  return BackendLoggedIn{std::move(welcome_)};
}

BackendFailed BackendLogin::on_closed() const {
  if (said_bye_) {
    return {LoginFailure::kBackendUnavailable, "closed after BYE"};
  }
  if (state_ == State::kGreeting) {
    return {LoginFailure::kBackendGreeting, "closed before the greeting"};
  }
  return {LoginFailure::kBackendProtocol, "closed in state " + state_name_};
}

BackendEvent BackendLogin::fail(LoginFailure failure, std::string detail) {
  state_ = State::kOver;
  request_.reset();
  on_continuation_.clear();
  return BackendFailed{failure, std::move(detail)};
}

BackendEvent BackendLogin::fail(LoginFailure failure, std::string_view what,
                                const ResponseLine& line) {
  return fail(failure, std::string(what) + quote_for_log(line));
}

void BackendLogin::learn_capabilities(std::string_view text) {
  capabilities_ = CapabilityList(text);
  capabilities_are_fresh_ = true;
}

void BackendLogin::keep_for_client() {
  const std::string_view text = reader_.text();
  if (!reader_.truncated() && welcome_.untagged.size() + text.size() + 2 <= kMaxUntagged) {
    welcome_.untagged += text;
    welcome_.untagged += "\r\n";
  }
}

void BackendLogin::sent(Sent command) {
  sent_ |= command;
  name_state();
}

void BackendLogin::received(Received reply, Sent answered) {
  received_ = reply;
  sent_ &= ~static_cast<unsigned>(answered);
  name_state();
}

void BackendLogin::name_state() {
  state_name_.clear();
  for (std::size_t bit = 0; bit < kSentNames.size(); ++bit) {
    if ((sent_ >> bit & 1U) != 0) {
      state_name_ += state_name_.empty() ? "" : "+";
      state_name_ += kSentNames[bit];
    }
  }
  static_assert(kSentNames.size() == 5 && kSentAuthenticate == 1 << 4);
  static_assert(kReceivedNames.size() == static_cast<std::size_t>(Received::kBye) + 1);
  state_name_ += state_name_.empty() ? "nothing/" : "/";
  state_name_ += kReceivedNames[static_cast<std::size_t>(received_)];
}

}  // namespace headgate::imap
