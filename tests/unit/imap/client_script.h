#pragma once

#include <gtest/gtest.h>

#include <cstddef>
#include <functional>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "imap/client_login.h"

// Plays a client and its driver against ClientLogin and writes down all that happens.
namespace headgate::imap::test {

// What the driver answers to an Authenticate or a SaslResponse.
struct Challenge {
  std::string bytes;
};
using Answer =
    std::variant<dialogue::LoginFailure, dialogue::Refusal, dialogue::BackendWelcome, Challenge>;

struct ClientScript {
  ClientLoginOptions options;
  // What the client sends; a new part begins after each TLS handshake.
  std::vector<std::string> sent;
  std::vector<Answer> answers;
};

inline std::string describe(const dialogue::Action& action) {
  if (const auto* login = std::get_if<dialogue::Authenticate>(&action)) {
    return "<authenticate " + login->credentials.mechanism + " '" + login->credentials.user +
           "' '" + std::string(login->credentials.secret.view()) + "'>\n";
  }
  if (const auto* sasl = std::get_if<dialogue::SaslResponse>(&action)) {
    return "<sasl " + sasl->mechanism + (sasl->initial ? " initial" : "") +
           (sasl->has_response ? " '" + std::string(sasl->response.view()) + "'" : "") + ">\n";
  }
  if (const auto* close = std::get_if<dialogue::Close>(&action)) {
    return "<close " + std::string(info(close->reason).name) + ">\n";
  }
  return std::holds_alternative<dialogue::StartTls>(action) ? "<starttls>\n" : "";
}

class ClientPlayer {
 public:
  // How many bytes of the `left` ones come with the next read; 0: all.
  using Chunks = std::function<std::size_t(std::size_t left)>;

  ClientPlayer(const ClientScript& script, Chunks chunks)
      : script_(script), profile_(script.options), login_(profile_), chunks_(std::move(chunks)) {}

  std::string play() {
    login_.greet(log_);
    for (const std::string& part : script_.sent) {
      send(part);
    }
    return log_;
  }
  [[nodiscard]] const ClientLogin& login() const { return login_; }

 private:
  void send(std::string_view part) {
    while (!part.empty() && !over_) {
      const std::size_t wanted = chunks_(part.size());
      std::string_view chunk = part.substr(0, wanted == 0 ? part.npos : wanted);
      part.remove_prefix(chunk.size());
      while (!chunk.empty() && !over_) {
        const dialogue::Step step = login_.on_bytes(chunk, log_);
        chunk.remove_prefix(step.consumed);
        log_ += describe(step.action);
        if (std::holds_alternative<dialogue::NoAction>(step.action)) {
          EXPECT_TRUE(chunk.empty()) << "left without an action";
          break;
        }
        if (std::holds_alternative<dialogue::StartTls>(step.action)) {
          EXPECT_TRUE(login_.awaiting_answer());
          login_.on_tls_established();
          return;  // the rest came in the clear
        }
        act(step.action);
      }
      if (logged_in_) {
        log_ += "<relay '" + std::string(chunk) + std::string(part) + "'>\n";
        return;
      }
    }
  }

  void act(const dialogue::Action& action) {
    if (std::holds_alternative<dialogue::Close>(action)) {
      over_ = true;
      return;
    }
    EXPECT_TRUE(login_.awaiting_answer());
    if (next_answer_ == script_.answers.size()) {
      ADD_FAILURE() << "no answer for " << describe(action);
      over_ = true;
      return;
    }
    const Answer& answer = script_.answers[next_answer_++];
    if (const auto* failure = std::get_if<dialogue::LoginFailure>(&answer)) {
      refuse(*failure);
    } else if (const auto* refusal = std::get_if<dialogue::Refusal>(&answer)) {
      refuse(*refusal);
    } else if (const auto* challenge = std::get_if<Challenge>(&answer)) {
      login_.on_challenge(challenge->bytes, log_);
    } else {
      login_.on_login_succeeded(std::get<dialogue::BackendWelcome>(answer), log_);
      over_ = logged_in_ = true;
    }
  }

  void refuse(const dialogue::Refusal& refusal) {
    const dialogue::Action next = login_.on_login_failed(refusal, log_);
    log_ += describe(next);
    over_ = std::holds_alternative<dialogue::Close>(next);
  }

  const ClientScript& script_;
  ClientLoginProfile profile_;
  ClientLogin login_;
  Chunks chunks_;
  std::string log_;
  std::size_t next_answer_ = 0;
  bool over_ = false;
  bool logged_in_ = false;
};

// All at once.
inline std::string play(const ClientScript& script) {
  return ClientPlayer(script, [](std::size_t) { return 0; }).play();
}

// Whatever way the same bytes are cut, the same must happen. Gives what happens.
inline std::string play_in_every_cut(const ClientScript& script) {
  std::string expected = play(script);
  EXPECT_EQ(ClientPlayer(script, [](std::size_t) { return 1; }).play(), expected) << "byte by byte";
  std::size_t longest = 0;
  for (const std::string& part : script.sent) {
    longest = std::max(longest, part.size());
  }
  // A cut at every place; at some of them where there are very many.
  const std::size_t stride = longest / 600 + 1;
  for (std::size_t cut = 1; cut < longest; cut += stride) {
    const auto in_two = [&](std::size_t left) { return left > cut ? left - cut : left; };
    EXPECT_EQ(ClientPlayer(script, in_two).play(), expected) << "cut " << cut << " before the end";
  }
  std::mt19937 random(7);
  for (int round = 0; round < 20; ++round) {
    const auto any = [&](std::size_t) { return 1 + random() % 23; };
    EXPECT_EQ(ClientPlayer(script, any).play(), expected) << "random cuts, round " << round;
  }
  return expected;
}

}  // namespace headgate::imap::test
