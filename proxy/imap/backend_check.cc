#include "imap/backend_check.h"

#include <array>
#include <utility>
#include <variant>

#include "base/printable.h"
#include "imap/response_line.h"
#include "imap/syntax.h"

namespace headgate::imap {
namespace {

using dialogue::BackendEvent;
using dialogue::BackendLoggedIn;
using dialogue::BackendReady;
using dialogue::BackendStep;
using dialogue::CheckLevel;
using dialogue::CheckStage;
using dialogue::LoginFailure;
using dialogue::NoAction;
using Kind = ResponseLine::Kind;
using Status = ResponseLine::Status;

// One command at a time, so one tag will do.
constexpr std::string_view kTag = "H";

constexpr std::array<std::string_view, 7> kStepNames = {"greeting", "login",  "select", "fetch",
                                                        "noop",     "logout", "over"};

}  // namespace

BackendCheck::BackendCheck(CheckLevel level, bool starttls)
    : level_(level), login_(BackendLoginOptions{.starttls = starttls}) {}

BackendStep BackendCheck::log_in(dialogue::BackendLoginRequest request, Secret& out) {
  if (level_ == CheckLevel::kConnect) {
    step_ = Step::kOver;
    return {0, BackendLoggedIn{}};
  }
  request_ = std::move(request);
  return {0, ready_ ? on_ready(out) : NoAction{}};
}

BackendStep BackendCheck::on_bytes(std::string_view in, Secret& out) {
  BackendStep step;
  while (step.consumed < in.size() && step_ != Step::kOver) {
    const std::string_view rest = in.substr(step.consumed);
    if (in_login()) {
      // Line by line: what follows the greeting belongs to the time after the request.
      const std::size_t end = rest.find('\n');
      BackendStep inner =
          login_.on_bytes(rest.substr(0, end == rest.npos ? rest.npos : end + 1), out);
      step.consumed += inner.consumed;
      step.event = take(std::move(inner.event), out);
    } else {
      const auto [taken, event] = reader_.feed(rest);
      step.consumed += taken;
      if (event == ResponseReader::Event::kNone) {
        return step;
      }
      step.event = event == ResponseReader::Event::kTooLong
                       ? fail(LoginFailure::kBackendProtocol, "response is too long")
                       : on_response(out);
    }
    if (!std::holds_alternative<NoAction>(step.event)) {
      return step;
    }
  }
  return step;
}

BackendStep BackendCheck::on_tls_established(Secret& out) {
  return login_.on_tls_established(out);
}

BackendEvent BackendCheck::take(BackendEvent event, Secret& out) {
  if (std::holds_alternative<BackendReady>(event)) {
    ready_ = true;
    return request_ ? on_ready(out) : NoAction{};
  }
  if (std::holds_alternative<BackendLoggedIn>(event)) {
    if (level_ == CheckLevel::kMailbox) {
      send(Step::kSelect, "SELECT INBOX", out);
    } else {
      send(Step::kLogout, "LOGOUT", out);
    }
    return NoAction{};
  }
  if (std::holds_alternative<dialogue::BackendFailed>(event)) {
    step_ = Step::kOver;
  }
  return event;
}

BackendEvent BackendCheck::on_ready(Secret& out) {
  if (level_ == CheckLevel::kGreeting) {
    request_.reset();
    send(Step::kLogout, "LOGOUT", out);
    return NoAction{};
  }
  step_ = Step::kLogin;
  BackendStep step = login_.log_in(std::move(*request_), out);
  request_.reset();
  return take(std::move(step.event), out);
}

BackendEvent BackendCheck::on_response(Secret& out) {
  const ResponseLine line = parse_response(reader_.text());
  const bool bye = line.kind == Kind::kStatus && line.untagged() && line.status == Status::kBye;
  if (step_ == Step::kLogout && (bye || line.tag == kTag)) {
    step_ = Step::kOver;
    return BackendLoggedIn{};
  }
  if (bye) {
    return fail(LoginFailure::kBackendUnavailable, printable(reader_.text()));
  }
  if (line.kind == Kind::kGarbage || line.kind == Kind::kContinuation ||
      (!line.untagged() && line.tag != kTag)) {
    return fail(LoginFailure::kBackendProtocol, "no reply to what was sent");
  }
  if (line.untagged()) {
    if (step_ == Step::kSelect && equals_ignoring_case(line.text, "EXISTS")) {
      messages_ = line.word != "0";
    }
    return NoAction{};
  }
  if (line.status != Status::kOk) {
    return fail(LoginFailure::kBackendUnavailable,
                "to " + std::string(state_name()) + ": " + printable(reader_.text()));
  }
  return on_reply(out);
}

BackendEvent BackendCheck::on_reply(Secret& out) {
  if (step_ == Step::kSelect && messages_) {
    send(Step::kFetch, "FETCH * (UID BODY.PEEK[HEADER.FIELDS (SUBJECT)])", out);
  } else if (step_ == Step::kSelect || step_ == Step::kFetch) {
    send(Step::kNoop, "NOOP", out);
  } else {
    send(Step::kLogout, "LOGOUT", out);
  }
  return NoAction{};
}

void BackendCheck::send(Step step, std::string_view command, Secret& out) {
  step_ = step;
  out.append(kTag);
  out.append(' ');
  out.append(command);
  out.append("\r\n");
}

BackendEvent BackendCheck::fail(LoginFailure failure, std::string detail) {
  step_ = Step::kOver;
  return dialogue::BackendFailed{failure, std::move(detail)};
}

dialogue::BackendFailed BackendCheck::on_closed() const {
  if (in_login()) {
    return login_.on_closed();
  }
  return {LoginFailure::kBackendProtocol, "closed in state " + std::string(state_name())};
}

std::string_view BackendCheck::state_name() const {
  return in_login() ? login_.state_name() : kStepNames[static_cast<std::size_t>(step_)];
}

CheckStage BackendCheck::stage() const {
  switch (step_) {
    case Step::kGreeting:
      return CheckStage::kGreeting;
    case Step::kLogin:
      return CheckStage::kLogin;
    default:
      break;
  }
  switch (level_) {
    case CheckLevel::kMailbox:
      return CheckStage::kMailbox;
    case CheckLevel::kLogin:
      return CheckStage::kLogin;
    default:
      return CheckStage::kGreeting;
  }
}

}  // namespace headgate::imap
