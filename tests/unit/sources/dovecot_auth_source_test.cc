#include "sources/dovecot_auth_source.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "auth/exchange.h"
#include "local_auth_service.h"

namespace headgate::sources {
namespace {

using namespace std::chrono_literals;
using dialogue::LoginFailure;
using test::LocalAuthService;
using test::request_of;
using testing::Contains;
using testing::HasSubstr;
using testing::Not;
using testing::SizeIs;
using testing::StartsWith;

std::string ok(const std::string& line, const std::string& more = "") {
  return "OK\t" + request_of(line) + "\tuser=alice" + more + "\n";
}
std::string fail(const std::string& line, const std::string& more = "") {
  return "FAIL\t" + request_of(line) + "\tuser=alice" + more + "\n";
}
std::string ok_always(const std::string& line) {
  return ok(line);
}

class DovecotAuthSourceTest : public testing::Test {
 protected:
  ~DovecotAuthSourceTest() override {
    exchange_.reset();
    exchanges_.reset();
    chain_.reset();
    source_.reset();
    timers_.reset();
    loop_.drain();
  }

  LocalAuthService& service(LocalAuthService::Answer answer, const std::string& at_once,
                            const std::string& behind_version = "") {
    services_.push_back(
        std::make_unique<LocalAuthService>(std::move(answer), at_once, behind_version));
    return *services_.back();
  }
  LocalAuthService& service(LocalAuthService::Answer answer) {
    return service(std::move(answer), LocalAuthService::kHandshake);
  }
  // A source over these others, then all the services.
  void make(const std::vector<SocketAddress>& others = {}) {
    auto options = std::make_shared<DovecotAuthOptions>();
    options->servers = others;
    for (const auto& each : services_) {
      options->servers.push_back(each->address());
    }
    options->timeout = timeout_;
    options->hedge_after = hedge_after_;
    options->connections = connections_;
    options->tokens = true;
    servers_ = std::make_shared<DovecotAuthServers>(std::move(options));
    source_ = std::make_unique<DovecotAuthSource>(loop_, *timers_, servers_);
  }
  void ask(std::optional<auth::LookupResult>& result, const std::string& mechanism = "PLAIN") {
    const dialogue::Credentials credentials{mechanism, "alice", Secret("sesame")};
    source_->look_up({credentials, {}, {}, "imaps", "session", true},
                     [&](auth::LookupResult answer) {
                       result = std::move(answer);
                       loop_.stop();
                     });
  }
  auth::LookupResult look_up(const std::string& mechanism = "PLAIN") {
    std::optional<auth::LookupResult> result;
    ask(result, mechanism);
    wait_for(result);
    return *std::move(result);
  }
  void wait_for(std::optional<auth::LookupResult>& result) {
    while (!result) {
      loop_.run();
    }
  }
  static std::string words(const auth::LookupResult& result) {
    if (const auto* accepted = std::get_if<auth::Accepted>(&result)) {
      return "accepted: " + accepted->route.user;
    }
    if (const auto* rejected = std::get_if<auth::Rejected>(&result)) {
      return "rejected: " + std::string(dialogue::info(rejected->failure).name) + ": " +
             rejected->detail;
    }
    const auto* unavailable = std::get_if<auth::Unavailable>(&result);
    return unavailable != nullptr ? "unavailable: " + unavailable->why : "something else";
  }
  std::uint64_t count(std::size_t server, RequestResult result) const {
    return servers_->servers[server]->state.results(result);
  }

  void begin_exchange(const std::string& mechanism) {
    mechanism_ = mechanism;
    std::vector<std::unique_ptr<auth::UserSource>> sources;
    sources.push_back(std::move(source_));
    chain_ = std::make_unique<auth::Chain>(*timers_, std::move(sources), 10s);
    exchanges_ =
        std::make_unique<auth::Exchanges>(loop_, *chain_, std::make_shared<proof::ScramDecoys>());
    exchange_ = exchanges_->begin(mechanism, {});
  }
  // What the client is told: "+ CHALLENGE", or the end in words.
  std::string round(std::optional<std::string> message) {
    const Secret bytes(message.value_or(""));
    exchange_->take(message ? &bytes : nullptr);
    const dialogue::Credentials credentials{mechanism_, std::string(exchange_->user()), Secret()};
    std::optional<std::string> told;
    exchange_->answer(
        {credentials, {}, {}, "imaps", "session", true}, [&](auth::ExchangeAnswer answer) {
          const auto* end = std::get_if<auth::ChainResult>(&answer);
          told =
              end != nullptr ? words(end->result) : "+ " + std::get<auth::Challenge>(answer).bytes;
          loop_.stop();
        });
    while (!told) {
      loop_.run();
    }
    return *told;
  }

  std::chrono::milliseconds timeout_ = 5s;
  std::chrono::milliseconds hedge_after_{2500};
  unsigned connections_ = 2;
  net::Loop loop_;
  std::unique_ptr<net::TimerWheel> timers_ = std::make_unique<net::TimerWheel>(loop_);
  std::vector<std::unique_ptr<LocalAuthService>> services_;
  std::shared_ptr<DovecotAuthServers> servers_;
  std::unique_ptr<DovecotAuthSource> source_;
  std::string mechanism_;
  std::unique_ptr<auth::Chain> chain_;
  std::unique_ptr<auth::Exchanges> exchanges_;
  std::unique_ptr<auth::Exchange> exchange_;
};

TEST_F(DovecotAuthSourceTest, ThePasswordDecides) {
  auto& local = service([](const std::string& line) {
    return line.ends_with("resp=AGFsaWNlAHNlc2FtZQ==") ? ok(line) : fail(line);
  });
  make();
  EXPECT_EQ(words(look_up("LOGIN")), "accepted: alice");
  EXPECT_THAT(local.lines()[0], StartsWith("VERSION\t1\t"));
  EXPECT_THAT(local.lines()[1], StartsWith("CPID\t"));
  EXPECT_THAT(local.lines()[2], StartsWith("AUTH\t1\tPLAIN\tservice=imap\t"));
  EXPECT_EQ(words(look_up("PLAIN")), "accepted: alice");
  EXPECT_EQ(local.connections(), 1U) << "it is used again";
  EXPECT_EQ(count(0, RequestResult::kAccepted), 2U);
}

TEST_F(DovecotAuthSourceTest, AServiceMayWaitForTheClientBeforeItSaysWhatItHas) {
  service(&ok_always, "VERSION\t1\t4\n", "MECH\tPLAIN\tplaintext\nSPID\t1\nCUID\t1\nDONE\n");
  make();
  EXPECT_EQ(words(look_up()), "accepted: alice");
}

TEST_F(DovecotAuthSourceTest, AnswersComeInAnyOrder) {
  std::string first;
  service([&](const std::string& line) {
    if (first.empty()) {
      first = line;
      return std::string();
    }
    return fail(line) + ok(first);
  });
  connections_ = 1;
  make();
  std::optional<auth::LookupResult> one;
  std::optional<auth::LookupResult> other;
  ask(one);
  ask(other);
  wait_for(one);
  wait_for(other);
  EXPECT_THAT((std::vector{words(*one).substr(0, 8), words(*other).substr(0, 8)}),
              testing::UnorderedElementsAre("accepted", "rejected"));
}

TEST_F(DovecotAuthSourceTest, ALostRequestIsAskedAgainOnAnotherConnection) {
  std::atomic<int> asked = 0;
  auto& local = service(
      [&](const std::string& line) { return ++asked == 1 ? LocalAuthService::kClose : ok(line); });
  make();
  EXPECT_EQ(words(look_up()), "accepted: alice");
  EXPECT_EQ(local.connections(), 2U);
  EXPECT_TRUE(servers_->servers[0]->state.is_up()) << "a restart is no fault";
}

TEST_F(DovecotAuthSourceTest, ALoginThatKillsTheServiceEachTimeIsGivenUp) {
  std::atomic<int> asked = 0;
  service([&](const std::string&) {
    ++asked;
    return LocalAuthService::kClose;
  });
  make();
  EXPECT_THAT(words(look_up()), StartsWith("unavailable: closed by the service"));
  EXPECT_EQ(asked, static_cast<int>(connections_) + 1);
}

TEST_F(DovecotAuthSourceTest, AConnectionThatWasIdleWhenItEndedCostsNoLoginAnything) {
  auto& local = service(&ok_always);
  make();
  look_up();
  local.hang_up();
  EXPECT_EQ(words(look_up()), "accepted: alice");
}

TEST_F(DovecotAuthSourceTest, TheNextServerIsAskedWhereOneIsNotThere) {
  service(&ok_always);
  make({{.path = testing::TempDir() + "nobody", .host = {}}});
  EXPECT_EQ(words(look_up()), "accepted: alice");
  EXPECT_FALSE(servers_->servers[0]->state.is_up());
  EXPECT_EQ(count(0, RequestResult::kFailed), 1U);
  EXPECT_EQ(words(look_up()), "accepted: alice");
  EXPECT_EQ(count(0, RequestResult::kFailed), 1U) << "it rests";
}

TEST_F(DovecotAuthSourceTest, OneThatHangsCostsItsShareOfTheTimeAndThenNothing) {
  timeout_ = 400ms;
  service([](const std::string&) { return std::string(); });
  service(&ok_always);
  make();
  EXPECT_EQ(words(look_up()), "accepted: alice");
  EXPECT_EQ(count(0, RequestResult::kTimeout), 1U);
  EXPECT_EQ(words(look_up()), "accepted: alice");
  EXPECT_EQ(count(0, RequestResult::kTimeout), 1U);
}

TEST_F(DovecotAuthSourceTest, OneThatIsLateIsNotWaitedForAndThenRests) {
  hedge_after_ = 50ms;
  timeout_ = 60s;
  service([](const std::string&) { return std::string(); });
  service(&ok_always);
  make();
  EXPECT_EQ(words(look_up()), "accepted: alice");
  EXPECT_EQ(count(0, RequestResult::kAbandoned), 1U);
  EXPECT_EQ(servers_->servers[1]->state.hedges(), 1U);
  EXPECT_FALSE(servers_->servers[0]->state.is_up());
  EXPECT_EQ(words(look_up()), "accepted: alice");
  EXPECT_EQ(servers_->servers[1]->state.hedges(), 1U) << "it is asked first now";
}

TEST_F(DovecotAuthSourceTest, OneThatIsLateMayStillBeTheFirstToAnswer) {
  hedge_after_ = 50ms;
  timeout_ = 60s;
  std::atomic<bool> other_asked = false;
  service([&](const std::string& line) {
    other_asked.wait(false);
    return ok(line);
  });
  service([&](const std::string& line) {
    if (line.starts_with("AUTH")) {
      other_asked = true;
      other_asked.notify_all();
    }
    return std::string();
  });
  make();
  EXPECT_EQ(words(look_up()), "accepted: alice");
  EXPECT_EQ(count(0, RequestResult::kAccepted), 1U);
  EXPECT_TRUE(servers_->servers[0]->state.is_up() && servers_->servers[1]->state.is_up());
}

TEST_F(DovecotAuthSourceTest, WhereTheFirstFailsTheOtherOneStillDecides) {
  hedge_after_ = 50ms;
  timeout_ = 60s;
  std::atomic<bool> other_asked = false;
  std::atomic<bool> failed = false;
  service([&](const std::string& line) {
    other_asked.wait(false);
    failed = true;
    failed.notify_all();
    return fail(line, "\ttemp");
  });
  service([&](const std::string& line) {
    if (line.starts_with("AUTH")) {
      other_asked = true;
      other_asked.notify_all();
      failed.wait(false);
    }
    return fail(line);
  });
  make();
  EXPECT_THAT(words(look_up()), StartsWith("rejected: wrong_credentials"));
}

TEST_F(DovecotAuthSourceTest, WhereNeitherAnswersTheLoginIsUnavailable) {
  hedge_after_ = 50ms;
  timeout_ = 400ms;
  service([](const std::string&) { return std::string(); });
  service([](const std::string& line) {
    return line.starts_with("AUTH") ? fail(line, "\ttemp") : std::string();
  });
  make();
  EXPECT_THAT(words(look_up()), StartsWith("unavailable: no answer within"));
  // And who goes in the middle of it takes nothing along.
  std::optional<auth::LookupResult> never;
  ask(never);
  source_.reset();
  EXPECT_FALSE(never.has_value());
}

TEST_F(DovecotAuthSourceTest, OneThatNeverFinishesTheHandshakeHangs) {
  timeout_ = 300ms;
  service(&ok_always, "VERSION\t1\t2\nMECH\tPLAIN\n");
  make();
  EXPECT_THAT(words(look_up()), StartsWith("unavailable: no answer within"));
  EXPECT_FALSE(servers_->servers[0]->state.is_up());
}

TEST_F(DovecotAuthSourceTest, ALoginThatIsSlowByItselfIsNotHeldAgainstTheServer) {
  timeout_ = 400ms;
  std::string slow;
  service([&](const std::string& line) {
    if (slow.empty()) {
      slow = line;
      return std::string();
    }
    return line.starts_with("AUTH") ? ok(line) : std::string();
  });
  connections_ = 1;
  make();
  std::optional<auth::LookupResult> waits;
  ask(waits);
  EXPECT_EQ(words(look_up()), "accepted: alice");
  wait_for(waits);
  EXPECT_THAT(words(*waits), StartsWith("unavailable"));
  EXPECT_TRUE(servers_->servers[0]->state.is_up());
  look_up();
  EXPECT_THAT(services_[0]->lines(), Contains("CANCEL\t1"));
}

TEST_F(DovecotAuthSourceTest, ALineThatMakesNoSenseEndsThatConnection) {
  std::atomic<int> asked = 0;
  auto& local = service(
      [&](const std::string& line) { return ++asked == 1 ? "OK\t0\tuser=mallory\n" : ok(line); });
  make();
  EXPECT_EQ(words(look_up()), "accepted: alice");
  EXPECT_EQ(local.connections(), 2U);
  EXPECT_EQ(count(0, RequestResult::kInvalid), 1U);
}

TEST_F(DovecotAuthSourceTest, ALineWithoutEndIsNotGathered) {
  std::atomic<int> asked = 0;
  service(
      [&](const std::string& line) { return ++asked == 1 ? std::string(20000, 'x') : ok(line); });
  make();
  EXPECT_EQ(words(look_up()), "accepted: alice");
  EXPECT_EQ(count(0, RequestResult::kInvalid), 1U);
}

TEST_F(DovecotAuthSourceTest, ATemporaryFailureIsNoWrongPasswordAndAnotherServerIsAsked) {
  service([](const std::string& line) { return fail(line, "\tcode=temp_fail\treason=db"); });
  make();
  EXPECT_THAT(words(look_up()), StartsWith("rejected: lookup_unavailable"));
  service(&ok_always);
  make();
  EXPECT_EQ(words(look_up()), "accepted: alice");
}

TEST_F(DovecotAuthSourceTest, AMechanismThatTheServiceLacksIsSaidSo) {
  service(&ok_always, "VERSION\t1\t2\nMECH\tCRAM-MD5\nDONE\n");
  make();
  EXPECT_THAT(words(look_up()), HasSubstr("does not offer PLAIN"));
}

TEST_F(DovecotAuthSourceTest, AWrongTokenIsRefusedBehindTheFormality) {
  service([](const std::string& line) {
    return line.starts_with("AUTH") ? "CONT\t" + request_of(line) + "\te30=\n"
           : line.ends_with("\tAQ==") || line.ends_with("\t")
               ? fail(line)
               : "OK\t" + request_of(line) + "\tuser=mallory\n";
  });
  make();
  EXPECT_THAT(words(look_up("OAUTHBEARER")), StartsWith("rejected: wrong_credentials"));
  EXPECT_THAT(words(look_up("XOAUTH2")), StartsWith("rejected: wrong_credentials"));
}

TEST_F(DovecotAuthSourceTest, AServiceThatRestsIsProbedBesideALogin) {
  std::atomic<bool> good = false;
  service([&](const std::string& line) { return good ? ok(line) : LocalAuthService::kClose; });
  service(&ok_always);
  make();
  servers_->servers[0]->state.note_failure(static_cast<std::int64_t>(loop_.now_ms()) - 2000, false);
  good = true;
  EXPECT_EQ(words(look_up()), "accepted: alice");
  while (!servers_->servers[0]->state.is_up()) {
    look_up();
  }
  EXPECT_EQ(count(0, RequestResult::kAccepted), 1U);
}

TEST_F(DovecotAuthSourceTest, RoundsArePassedThrough) {
  auto& local = service([](const std::string& line) {
    return line.starts_with("AUTH\t")             ? "CONT\t" + request_of(line) + "\tPGFAYj4=\n"
           : line.ends_with("\tYWxpY2UgMDEyMw==") ? ok(line)
                                                  : fail(line);
  });
  make();
  begin_exchange("CRAM-MD5");
  EXPECT_EQ(round(std::nullopt), "+ <a@b>");
  EXPECT_EQ(round("alice 0123"), "accepted: alice");
  EXPECT_EQ(exchange_->user(), "alice");
  EXPECT_THAT(local.lines()[2], StartsWith("AUTH\t1\tCRAM-MD5\t"));
  EXPECT_THAT(local.lines()[2], Not(HasSubstr("resp=")));
  exchange_ = exchanges_->begin("CRAM-MD5", {});
  round(std::nullopt);
  EXPECT_THAT(round("alice 9999"), StartsWith("rejected: wrong_credentials"));
}

TEST_F(DovecotAuthSourceTest, AnExchangeThatIsGivenUpIsCancelled) {
  auto& local = service([](const std::string& line) {
    return line.starts_with("AUTH\t") ? "CONT\t" + request_of(line) + "\t\n" : fail(line);
  });
  make();
  begin_exchange("SCRAM-SHA-256");
  EXPECT_EQ(round("n,,n=alice,r=abc"), "+ ");
  EXPECT_EQ(exchange_->user(), "alice");
  exchange_ = exchanges_->begin("SCRAM-SHA-256", {});
  round("n,,n=alice,r=abc");
  round("c=biws");
  EXPECT_THAT(local.lines(), Contains("CANCEL\t1"));
}

TEST_F(DovecotAuthSourceTest, AnExchangeDoesNotOutliveItsConnection) {
  auto& local = service([](const std::string& line) {
    return line.starts_with("AUTH\t") ? "CONT\t" + request_of(line) + "\t\n"
                                      : LocalAuthService::kClose;
  });
  make();
  begin_exchange("CRAM-MD5");
  EXPECT_EQ(round(std::nullopt), "+ ");
  EXPECT_THAT(round("alice 0123"), HasSubstr("lost in the middle of an exchange"));
  exchange_ = exchanges_->begin("CRAM-MD5", {});
  EXPECT_EQ(round(std::nullopt), "+ ");
  local.hang_up();
  EXPECT_THAT(round("alice 0123"), HasSubstr("lookup_unavailable"));
}

}  // namespace
}  // namespace headgate::sources
