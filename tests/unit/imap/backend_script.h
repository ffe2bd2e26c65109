#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <functional>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "imap/backend_login.h"

// Plays a backend and the driver against BackendLogin and writes down all that happens.
namespace headgate::imap::test {

struct BackendScript {
  BackendLoginOptions options;
  // What the backend sends; a new part begins after the TLS handshake.
  std::vector<std::string> sent;
  // Makes what log_in() is called with; empty: it is not called.
  std::function<dialogue::BackendLoginRequest()> request;
  bool request_first = true;  // before the first byte; else at BackendReady
};

class BackendPlayer {
 public:
  // How many bytes of the `left` ones come with the next read; 0: all.
  using Chunks = std::function<std::size_t(std::size_t left)>;

  BackendPlayer(const BackendScript& script, Chunks chunks)
      : script_(script), login_(script.options), chunks_(std::move(chunks)) {}

  std::string play() {
    if (script_.request && script_.request_first) {
      act(login_.log_in(script_.request(), out_));
    }
    for (const std::string& part : script_.sent) {
      send(part);
    }
    return log_;
  }
  [[nodiscard]] const BackendLogin& login() const { return login_; }

 private:
  void send(std::string_view part) {
    bool clear = false;  // StartTls came: the rest of this part is void
    while (!part.empty() && !over_ && !clear) {
      const std::size_t wanted = chunks_(part.size());
      std::string_view chunk = part.substr(0, wanted == 0 ? part.npos : wanted);
      part.remove_prefix(chunk.size());
      const dialogue::BackendStep step = login_.on_bytes(chunk, out_);
      chunk.remove_prefix(step.consumed);
      clear = std::holds_alternative<dialogue::StartTls>(step.event);
      if (std::holds_alternative<dialogue::NoAction>(step.event) ||
          std::holds_alternative<dialogue::BackendReady>(step.event)) {
        EXPECT_TRUE(chunk.empty()) << "left without an event";
      }
      act(step);
      if (logged_in_) {
        log_ += "<relay '" + std::string(chunk) + std::string(part) + "'>\n";
      }
    }
    if (clear) {
      act(login_.on_tls_established(out_));
    }
  }

  void act(const dialogue::BackendStep& step) {
    log_ += out_.view();
    out_.clear();
    if (std::holds_alternative<dialogue::StartTls>(step.event)) {
      log_ += "<starttls>\n";
    } else if (std::holds_alternative<dialogue::BackendReady>(step.event)) {
      log_ += "<ready>\n";
      if (script_.request && !script_.request_first) {
        act(login_.log_in(script_.request(), out_));
      }
    } else if (const auto* failed = std::get_if<dialogue::BackendFailed>(&step.event)) {
      log_ += "<failed " + std::string(info(failed->failure).name) + ": " + failed->detail + ">\n";
      over_ = true;
    } else if (const auto* in = std::get_if<dialogue::BackendLoggedIn>(&step.event)) {
      log_ += "<logged in: " + in->welcome.capabilities + " | " + in->welcome.code + " | " +
              in->welcome.text + " | " + in->welcome.untagged + ">\n";
      over_ = logged_in_ = true;
    }
  }

  const BackendScript& script_;
  BackendLogin login_;
  Chunks chunks_;
  Secret out_;
  std::string log_;
  bool over_ = false;
  bool logged_in_ = false;
};

inline std::string play(const BackendScript& script) {
  return BackendPlayer(script, [](std::size_t) { return 0; }).play();
}

// Whatever way the same bytes are cut, the same must happen. Gives what happens.
inline std::string play_in_every_cut(const BackendScript& script) {
  std::string expected = play(script);
  EXPECT_EQ(BackendPlayer(script, [](std::size_t) { return 1; }).play(), expected)
      << "byte by byte";
  std::size_t longest = 0;
  for (const std::string& part : script.sent) {
    longest = std::max(longest, part.size());
  }
  const std::size_t stride = longest / 600 + 1;
  for (std::size_t cut = 1; cut < longest; cut += stride) {
    const auto in_two = [&](std::size_t left) { return left > cut ? left - cut : left; };
    EXPECT_EQ(BackendPlayer(script, in_two).play(), expected) << "cut " << cut << " before the end";
  }
  std::mt19937 random(7);
  for (int round = 0; round < 20; ++round) {
    const auto any = [&](std::size_t) { return 1 + random() % 23; };
    EXPECT_EQ(BackendPlayer(script, any).play(), expected) << "random cuts, round " << round;
  }
  return expected;
}

}  // namespace headgate::imap::test
