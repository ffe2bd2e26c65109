#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "local_auth_service.h"
#include "net/timer_wheel.h"
#include "sources/dovecot_auth_connection.h"
#include "sources/dovecot_auth_source.h"

// Handshakes with an auth service that are broken off, are none, or never end.
namespace headgate::sources {
namespace {

using namespace std::chrono_literals;
using test::LocalAuthService;
using testing::AnyOf;
using testing::Each;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::StartsWith;

std::string ok(const std::string& line) {
  return "OK\t" + test::request_of(line) + "\tuser=alice\n";
}

class DovecotAuthHandshakeTest : public testing::Test {
 protected:
  ~DovecotAuthHandshakeTest() override {
    source_.reset();
    timers_.reset();
    loop_.drain();
  }

  LocalAuthService& service(const std::string& at_once, const std::string& behind_version = "") {
    services_.push_back(std::make_unique<LocalAuthService>(ok, at_once, behind_version));
    return *services_.back();
  }
  LocalAuthService& good_service() { return service(LocalAuthService::kHandshake); }
  // A source over all the services.
  void make(unsigned connections = 2) {
    auto options = std::make_shared<DovecotAuthOptions>();
    for (const auto& each : services_) {
      options->servers.push_back(each->address());
    }
    options->timeout = timeout_;
    options->connections = connections;
    servers_ = std::make_shared<DovecotAuthServers>(std::move(options));
    source_ = std::make_unique<DovecotAuthSource>(loop_, *timers_, servers_);
  }
  void ask(std::string& told) {
    const dialogue::Credentials credentials{"PLAIN", "alice", Secret("sesame")};
    source_->look_up({credentials, {}, {}, "imaps", "session", true}, [&](const auto& answer) {
      const auto* unavailable = std::get_if<auth::Unavailable>(&answer);
      told = unavailable != nullptr                           ? "unavailable: " + unavailable->why
             : std::holds_alternative<auth::Accepted>(answer) ? "accepted"
                                                              : "something else";
      loop_.stop();
    });
  }
  std::string look_up() {
    std::string told;
    ask(told);
    while (told.empty()) {
      loop_.run();
    }
    return told;
  }
  std::uint64_t count(std::size_t server, RequestResult result) const {
    return servers_->servers[server]->state.results(result);
  }

  std::chrono::milliseconds timeout_ = 30s;
  net::Loop loop_;
  std::unique_ptr<net::TimerWheel> timers_ = std::make_unique<net::TimerWheel>(loop_);
  std::vector<std::unique_ptr<LocalAuthService>> services_;
  std::shared_ptr<DovecotAuthServers> servers_;
  std::unique_ptr<DovecotAuthSource> source_;
};

TEST_F(DovecotAuthHandshakeTest, OneThatEndsInTheMiddleIsAFailureOfThatServer) {
  const std::string close = LocalAuthService::kClose;
  for (const std::string& rest : {close, "MECH\tPLA" + close, "MECH\tPLAIN\tplaintext\n" + close,
                                  "MECH\tPLAIN\nSPID\t1\nCUID\t1\nDONE" + close}) {
    services_.clear();
    LocalAuthService& broken = service("VERSION\t1\t2\n", rest);
    make();
    EXPECT_THAT(look_up(), StartsWith("unavailable: ")) << rest;
    // Each connection that it may have, and one more.
    EXPECT_EQ(count(0, RequestResult::kFailed), 3U) << rest;
    EXPECT_EQ(broken.connections(), 3U) << rest;
    EXPECT_THAT(broken.lines(), Each(Not(HasSubstr("AUTH")))) << "nobody's password was sent";
  }
}

TEST_F(DovecotAuthHandshakeTest, ALoginGoesOnToTheNextServer) {
  service("VERSION\t1\t2\n", "MECH\tPLAIN\tplaintext\n" + LocalAuthService::kClose);
  LocalAuthService& good = good_service();
  make();
  EXPECT_EQ(look_up(), "accepted");
  EXPECT_EQ(count(0, RequestResult::kFailed), 1U) << "with another server one failure is enough";
  EXPECT_EQ(count(1, RequestResult::kAccepted), 1U);
  EXPECT_EQ(look_up(), "accepted") << "the broken one rests";
  EXPECT_EQ(count(1, RequestResult::kAccepted), 2U);
  EXPECT_EQ(good.connections(), 1U);
}

TEST_F(DovecotAuthHandshakeTest, AllWhoWaitForItGoOnToTheNextServer) {
  service("VERSION\t1\t2\n", "MECH\tPLAIN\tplaintext\n" + LocalAuthService::kClose);
  good_service();
  make(1);
  std::vector<std::string> told(5);
  for (std::string& each : told) {
    ask(each);
  }
  for (const std::string& each : told) {
    while (each.empty()) {
      loop_.run();
    }
  }
  EXPECT_THAT(told, Each("accepted"));
  EXPECT_EQ(services_.front()->connections(), 1U) << "they waited for one handshake";
}

TEST_F(DovecotAuthHandshakeTest, AnotherVersionAndWhatIsNoHandshakeAtAllAreSaidSo) {
  const std::string rest = "MECH\tPLAIN\tplaintext\nSPID\t1\nCUID\t1\nDONE\n";
  for (const std::string& first :
       {std::string("VERSION\t2\t0\n"), std::string("VERSION\tone\t1\n"),
        std::string("VERSION\t1\n"), std::string("VERSION\n"), std::string(),
        std::string("MECH\t\n"), std::string("\n"), std::string("OK\t0\tuser=alice\n"),
        std::string("OK\t7\tuser=alice\n"), std::string("\0\x16\x03\x01\n\n", 6),
        std::string(20'000, 'x')}) {
    services_.clear();
    LocalAuthService& odd = service(first + rest);
    make();
    EXPECT_THAT(look_up(), StartsWith("unavailable: expected")) << first.substr(0, 20);
    EXPECT_EQ(count(0, RequestResult::kInvalid), 3U) << first.substr(0, 20);
    EXPECT_THAT(odd.lines(), Each(AnyOf(StartsWith("VERSION\t"), StartsWith("CPID\t"))));
  }
}

TEST_F(DovecotAuthHandshakeTest, OneThatDripsHasUntilTheDeadline) {
  timeout_ = 100ms;
  LocalAuthService& slow =
      service("VERSION\t1\t2\n", "MECH\tPLAIN\tplaintext\n" + LocalAuthService::kDrip);
  make();
  EXPECT_THAT(look_up(), HasSubstr("no answer within"));
  EXPECT_EQ(count(0, RequestResult::kTimeout), 1U);
  EXPECT_THAT(slow.lines(), Each(Not(HasSubstr("AUTH"))));
}

TEST_F(DovecotAuthHandshakeTest, OneThatNeverSaysDoneIsEndedLongBeforeTheDeadline) {
  std::string endless = "VERSION\t1\t2\n";
  for (int i = 0; i < 100'000; ++i) {
    endless += "MECH\tM" + std::to_string(i) + "\n";
  }
  service(endless);
  make();
  EXPECT_EQ(look_up(), "unavailable: expected DONE within 256 lines");
  EXPECT_EQ(count(0, RequestResult::kInvalid), 3U);
}

// One connection without a source around it.
class DovecotAuthConnectionTest : public testing::Test, public DovecotAuthConnection::Waiter {
 protected:
  DovecotAuthConnectionTest() {
    int pair[2];
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), 0);
    theirs_.reset(pair[0]);
    connection_ = DovecotAuthConnection::open(
        loop_, UniqueFd(pair[1]), 1,
        [this](DovecotAuthConnection&, DovecotAuthEnd end, const std::string&) { ended_ = end; });
    connection_->await_ready(*this);
  }
  ~DovecotAuthConnectionTest() override {
    connection_.reset();
    loop_.drain();
  }
  void say(const std::string& text) {
    ASSERT_EQ(::send(theirs_.get(), text.data(), text.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(text.size()));
  }
  void on_ready() override { loop_.stop(); }
  void on_line(const DovecotAuthLine& /*line*/) override { ADD_FAILURE() << "nothing was asked"; }
  void on_lost(DovecotAuthEnd /*end*/, const std::string& why) override {
    lost_ = why;
    loop_.stop();
  }

  net::Loop loop_;
  UniqueFd theirs_;
  DovecotAuthConnection::Ptr connection_;
  std::optional<DovecotAuthEnd> ended_;
  std::string lost_;
};

TEST_F(DovecotAuthConnectionTest, KeepsNoNameThatNoMechanismHas) {
  const std::string longest(20, 'M');
  say("VERSION\t1\t2\nMECH\tPLAIN\tplaintext\nMECH\t" + longest + "\nMECH\t" + longest +
      "M\nDONE\n");
  loop_.run();
  EXPECT_TRUE(connection_->ready());
  EXPECT_TRUE(connection_->offers("PLAIN") && connection_->offers(longest));
  EXPECT_FALSE(connection_->offers(longest + "M"));
}

TEST_F(DovecotAuthConnectionTest, WhatIsNoBusinessOfClientsOrLetsEverybodyInIsNotOffered) {
  say("VERSION\t1\t2\nMECH\tOTP\tactive\tdictionary\tmutual-auth\nMECH\tAPOP\tdictionary\tprivate\n"
      "MECH\tGUEST\tanonymous\nMECH\tEXTERNAL\nMECH\tNEW\tprivately\nDONE\n");
  loop_.run();
  EXPECT_TRUE(connection_->offers("OTP") && connection_->offers("EXTERNAL"));
  EXPECT_TRUE(connection_->offers("NEW"));
  EXPECT_FALSE(connection_->offers("APOP") || connection_->offers("GUEST"));
}

TEST_F(DovecotAuthConnectionTest, AnEndInTheHandshakeIsToldOnceToEach) {
  say("VERSION\t1\t2\nMECH\tPLAIN");
  theirs_.reset();
  loop_.run();
  EXPECT_EQ(ended_, DovecotAuthEnd::kFailed);
  EXPECT_THAT(lost_, Not(IsEmpty()));
  EXPECT_EQ(connection_->pending(), 0U);
}

}  // namespace
}  // namespace headgate::sources
