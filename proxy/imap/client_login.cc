#include "imap/client_login.h"

#include <algorithm>
#include <array>
#include <utility>

#include "imap/arguments.h"
#include "imap/id_command.h"
#include "imap/login_command.h"
#include "imap/quoting.h"
#include "imap/syntax.h"

namespace headgate::imap {

namespace {

using dialogue::Action;
using dialogue::Close;
using dialogue::CloseReason;
using dialogue::FailureInfo;
using dialogue::Limit;
using dialogue::LoginFailure;
using dialogue::NoAction;

using State = ClientLogin::State;
constexpr std::array<std::string_view, 11> kStateNames = {
    "greeting",    "command",        "command-begun", "literal", "skipping", "sasl-response",
    "sasl-source", "authenticating", "starttls",      "closing", "logged-in"};
static_assert(kStateNames.size() == static_cast<std::size_t>(State::kLoggedIn) + 1);

// `text` instead of the failure's own words; it may bring its own response code.
std::string failure_line(LoginFailure failure, std::string_view tag, std::string_view text = {}) {
  const FailureInfo& row = info(failure);
  std::string line(tag);
  line += " NO ";
  if (!text.starts_with('[')) {
    line += '[';
    line += row.code;
    line += "] ";
  }
  append_line_text(text.empty() ? row.text : text, line);
  line += "\r\n";
  return line;
}

// Nobody looks at the password.
std::string no_login_line(std::string_view tag) {
  return std::string(tag) + " NO [CANNOT] Use AUTHENTICATE.\r\n";
}

// RFC 2971 lets a client say up to 30 pairs of 30 and 1,024 bytes about itself, all on one line; an
// initial response may hold a token.
std::size_t longer_limit(std::string_view begin, std::size_t max_sasl) {
  const Command command = split_command(begin).command;
  return command == Command::kId ? kMaxIdLine : command == Command::kAuthenticate ? max_sasl : 0;
}

}  // namespace

ClientLogin::ClientLogin(const ClientLoginProfile& profile)
    : profile_(profile),
      secure_(profile.options().secure),
      reader_(profile.options().max_line, longer_limit, profile.options().max_sasl) {}

void ClientLogin::greet(std::string& out) {
  out += profile_.greeting(certified_, bound_);
  state_ = State::kCommand;
}

dialogue::Step ClientLogin::on_bytes(std::string_view in, std::string& out) {
  if (state_ == State::kStartTls || state_ == State::kClosing) {
    return {in.size()};  // pipelined in the clear behind STARTTLS, or behind the end
  }
  if (awaiting_answer() || state_ == State::kLoggedIn) {
    return {};
  }
  const std::size_t allowed = std::min(in.size(), profile_.options().max_total - total_);
  std::size_t consumed = 0;
  while (true) {
    const auto [taken, event] = reader_.feed(in.substr(consumed, allowed - consumed));
    consumed += taken;
    total_ += taken;
    if (event == CommandReader::Event::kNone) {
      break;
    }
    Action action = on_event(event, out);
    if (!std::holds_alternative<NoAction>(action)) {
      return {consumed, std::move(action)};
    }
  }
  if (allowed < in.size()) {
    limit_hits_.add(Limit::kTotalBytes);
    return {consumed, close(CloseReason::kLoginTooLarge, out)};
  }
  if (state_ == State::kCommand && consumed > 0 && in[consumed - 1] != '\n') {
    state_ = State::kCommandBegun;
  }
  return {consumed};
}

Action ClientLogin::on_event(CommandReader::Event event, std::string& out) {
  switch (event) {
    case CommandReader::Event::kNone:
      break;
    case CommandReader::Event::kCommand:
      return state_ == State::kSaslResponse ? on_sasl_line(out) : on_command(out);
    case CommandReader::Event::kLiteral:
      return on_literal(out);
    case CommandReader::Event::kOverlong: {
      limit_hits_.add(Limit::kLine);
      const bool sasl = state_ == State::kSaslResponse;
      const std::string_view tag =
          sasl ? std::string_view(tag_) : split_command(reader_.text()).tag;
      refusal_ = {bad_reply(tag, "Line is too long."), true};
      state_ = State::kSkipping;
      break;
    }
    case CommandReader::Event::kSkipped:
      return on_skipped(out);
  }
  return NoAction{};
}

Action ClientLogin::on_command(std::string& out) {
  const CommandLine line = split_command(reader_.text());
  tag_ = line.tag;
  if (reader_.bare_line_feed()) {
    return bad("Lines must end in CRLF.", out);
  }
  if (!line.well_formed) {
    return bad("Syntax error.", out);
  }
  switch (line.command) {
    case Command::kId:
      return on_id(line.arguments, out);
    case Command::kEnable:
      return on_enable(line.arguments, out);
    case Command::kLogin:
      return on_login(line.arguments, out);
    case Command::kAuthenticate:
      return on_authenticate(line.arguments, out);
    default:
      return on_simple_command(line, out);
  }
}

Action ClientLogin::on_simple_command(const CommandLine& line, std::string& out) {
  if (line.command == Command::kUnknown) {
    return bad("Unknown command, or not allowed before login.", out);
  }
  if (!line.arguments.empty()) {
    return bad("Command takes no arguments.", out);
  }
  if (line.command == Command::kStartTls) {
    return on_starttls(out);
  }
  if (line.command == Command::kLogout) {
    out += "* BYE ";
    out += info(CloseReason::kClientLogout).farewell;
    out += "\r\n";
    ok("Logout completed.", out);
    end_command(State::kClosing);
    return Close{CloseReason::kClientLogout};
  }
  if (line.command == Command::kCapability) {
    asked_capability_ = true;
    out += "* CAPABILITY ";
    out += profile_.capabilities(secure_, certified_, bound_);
    out += "\r\n";
    ok("Capability completed.", out);
  } else {
    ok("NOOP completed.", out);
  }
  end_command(State::kCommand);
  return NoAction{};
}

Action ClientLogin::on_starttls(std::string& out) {
  if (secure_ || !profile_.options().tls_available) {
    return bad("STARTTLS is not available.", out);
  }
  ok("Begin TLS negotiation now.", out);
  end_command(State::kStartTls);
  return dialogue::StartTls{};
}

Action ClientLogin::on_id(std::string_view arguments, std::string& out) {
  std::vector<dialogue::IdField> fields;
  if (parse_id(arguments, fields) != Parse::kOk) {
    return bad("Invalid ID parameters.", out);
  }
  id_ = std::move(fields);
  out += "* ID (\"name\" \"Headgate\")\r\n";
  ok("ID completed.", out);
  end_command(State::kCommand);
  return NoAction{};
}

// Nothing can be enabled before login (RFC 5161), but a client that tries must not fail; it is the
// backend that it will ask in earnest.
Action ClientLogin::on_enable(std::string_view arguments, std::string& out) {
  Arguments cursor(arguments);
  do {
    if (!cursor.take(' ') || cursor.atom().empty()) {
      return bad("ENABLE takes a list of capabilities.", out);
    }
  } while (!cursor.at_end());
  out += "* ENABLED\r\n";
  ok("Nothing enabled before login.", out);
  end_command(State::kCommand);
  return NoAction{};
}

Action ClientLogin::on_login(std::string_view arguments, std::string& out) {
  if (!secure_) {
    return refuse(LoginFailure::kPrivacyRequired, out);
  }
  if (!profile_.options().login_command) {
    out += no_login_line(tag_);
    end_command(State::kCommand);
    return NoAction{};
  }
  LoginArguments login;
  if (parse_login(arguments, login) != Parse::kOk) {
    return bad("LOGIN takes a user name and a password.", out);
  }
  return on_sasl_step(make_credentials("LOGIN", login.user.view(), login.password.view()), out);
}

Action ClientLogin::on_literal(std::string& out) {
  const CommandLine line = split_command(reader_.text());
  tag_ = line.tag;
  const LiteralHeader& literal = reader_.literal();
  const std::size_t remaining = profile_.options().max_total - total_;
  if (!literal.synchronizing && literal.size > remaining) {
    // RFC 7888 section 4: read it all, or say so and close.
    limit_hits_.add(Limit::kLiteral);
    limit_hits_.add(Limit::kTotalBytes);
    ++bad_commands_;
    out += bad_reply(tag_, "[TOOBIG] Literal is too large.");
    return close(CloseReason::kLoginTooLarge, out);
  }
  std::optional<Refusal> refusal = judge_literal(line);
  if (refusal) {
    refusal_ = std::move(*refusal);
    reader_.skip();
    state_ = State::kSkipping;
    return NoAction{};
  }
  if (literal.synchronizing) {
    out += "+ OK\r\n";
  }
  reader_.accept_literal();
  state_ = State::kLiteral;
  return NoAction{};
}

std::optional<ClientLogin::Refusal> ClientLogin::judge_literal(const CommandLine& line) {
  const auto refusal = [&](std::string_view text) { return Refusal{bad_reply(tag_, text), true}; };
  if (reader_.bare_line_feed()) {
    return refusal("Lines must end in CRLF.");
  }
  if (!line.well_formed) {
    return refusal("Syntax error.");
  }
  Parse parsed = Parse::kBad;
  if (line.command == Command::kLogin) {
    if (!secure_) {
      return Refusal{failure_line(LoginFailure::kPrivacyRequired, tag_), false};
    }
    if (!profile_.options().login_command) {
      return Refusal{no_login_line(tag_), false};
    }
    LoginArguments login;
    parsed = parse_login(line.arguments, login);
  } else if (line.command == Command::kId) {
    std::vector<dialogue::IdField> fields;
    parsed = parse_id(line.arguments, fields);
  }
  if (parsed != Parse::kLiteral) {
    return refusal("No literal is allowed here.");
  }
  if (reader_.literal().size > profile_.options().max_literal) {
    limit_hits_.add(Limit::kLiteral);
    return refusal("[TOOBIG] Literal is too large.");
  }
  return std::nullopt;
}

Action ClientLogin::on_skipped(std::string& out) {
  out += refusal_.reply;
  const bool counts = refusal_.bad;
  refusal_ = {};
  end_command(State::kCommand);
  return counts ? count_bad(out) : NoAction{};
}

void ClientLogin::on_tls_established() {
  secure_ = true;
  asked_capability_ = false;
  id_.clear();
  end_command(State::kCommand);
}

Action ClientLogin::on_login_failed(const dialogue::Refusal& refusal, std::string& out) {
  if (state_ != State::kAuthenticating && state_ != State::kSaslSource) {
    return NoAction{};
  }
  const std::string why = exchange_ != nullptr ? exchange_->last_challenge(refusal) : std::string();
  if (!why.empty()) {
    refusal_ = {failure_line(refusal.failure, tag_, refusal.text), false, refusal.last};
    refused_ = true;
    challenge(why, out);
    return NoAction{};
  }
  return refuse(refusal, out);
}

void ClientLogin::on_login_succeeded(const dialogue::BackendWelcome& welcome, std::string& out) {
  out += welcome.untagged;
  std::string code = welcome.code;
  if (!welcome.capabilities.empty()) {
    if (asked_capability_) {
      out += "* CAPABILITY ";
      append_line_text(welcome.capabilities, out);
      out += "\r\n";
    } else {
      if (!code.empty()) {
        // Two codes do not fit one line, and an ALERT has to be shown.
        out += "* OK [";
        append_line_text(code, out);
        out += "] ";
        append_line_text(welcome.text, out);
        out += "\r\n";
      }
      code = "CAPABILITY " + welcome.capabilities;
    }
  }
  out += tag_;
  out += " OK ";
  if (!code.empty()) {
    out += '[';
    append_line_text(code, out);
    out += "] ";
  }
  append_line_text(welcome.text.empty() ? "Logged in." : welcome.text, out);
  out += "\r\n";
  end_command(State::kLoggedIn);
}

void ClientLogin::farewell(CloseReason reason, std::string& out) {
  const std::string_view text = info(reason).farewell;
  if (state_ == State::kClosing || state_ == State::kLoggedIn || state_ == State::kStartTls ||
      text.empty()) {
    return;
  }
  out += "* BYE ";
  out += text;
  out += "\r\n";
}

std::string_view ClientLogin::state_name() const {
  return kStateNames[static_cast<std::size_t>(state_)];
}

std::span<const std::string_view> ClientLogin::state_names() {
  return kStateNames;
}

bool ClientLogin::in_exchange() const {
  return mechanism_ != nullptr && exchange_ == nullptr;
}

bool ClientLogin::awaiting_answer() const {
  return state_ == State::kAuthenticating || state_ == State::kSaslSource ||
         state_ == State::kStartTls;
}

std::string ClientLogin::bad_reply(std::string_view tag, std::string_view text) const {
  std::string line(tag.empty() ? "*" : tag);
  line += " BAD ";
  line += text;
  line += "\r\n";
  return line;
}

Action ClientLogin::bad(std::string_view text, std::string& out) {
  out += bad_reply(tag_, text);
  end_command(State::kCommand);
  return count_bad(out);
}

Action ClientLogin::count_bad(std::string& out) {
  ++bad_commands_;
  const unsigned most = profile_.options().max_bad_commands;
  if (most == 0 || bad_commands_ < most) {
    return NoAction{};
  }
  limit_hits_.add(Limit::kBadCommands);
  return close(CloseReason::kClientProtocol, out);
}

void ClientLogin::ok(std::string_view text, std::string& out) const {
  out += tag_;
  out += " OK ";
  out += text;
  out += "\r\n";
}

Action ClientLogin::refuse(const dialogue::Refusal& refusal, std::string& out) {
  out += failure_line(refusal.failure, tag_, refusal.text);
  end_command(State::kCommand);
  // A login in the clear guesses nothing: nobody looked at what it said.
  if (refusal.failure == LoginFailure::kPrivacyRequired) {
    return NoAction{};
  }
  return count_failure(refusal.last, out);
}

Action ClientLogin::count_failure(bool last, std::string& out) {
  ++failures_;
  if (last) {
    return close(CloseReason::kTooManyFailures, out);
  }
  const unsigned most = profile_.options().max_failures;
  if (most == 0 || failures_ < most) {
    return NoAction{};
  }
  limit_hits_.add(Limit::kFailures);
  return close(CloseReason::kTooManyFailures, out);
}

Action ClientLogin::close(CloseReason reason, std::string& out) {
  farewell(reason, out);
  end_command(State::kClosing);
  return Close{reason};
}

void ClientLogin::end_command(State next) {
  reader_.next();
  reader_.set_literals(true);
  exchange_.reset();
  mechanism_ = nullptr;
  refused_ = false;
  state_ = next;
}

}  // namespace headgate::imap
