#include "auth/exchange.h"

#include <gmock/gmock.h>
#include <gsasl.h>
#include <gtest/gtest.h>

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "proof/password_hash.h"

namespace headgate::auth {
namespace {

using dialogue::LoginFailure;
using testing::HasSubstr;
using testing::StartsWith;

constexpr std::string_view kKeys =
    "{SCRAM-SHA-256}4096,W22ZaJ0SNY7soEsUEjb6gQ==,WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=,"
    "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=";

// Knows "user", by what the test has stored.
class Stored : public UserSource {
 public:
  void look_up(const LoginRequest& request, Callback done) override {
    if (answer) {
      done(*answer);
    } else if (stored.empty() || request.credentials.user != "user") {
      done(UnknownHere{});
    } else {
      Route route{.user = "u1", .pool = {}, .backend = {}};
      auto hash = std::make_shared<const proof::PasswordHash>(*proof::PasswordHash::parse(stored));
      done(Known{std::move(route), std::move(hash)});
    }
  }
  [[nodiscard]] bool takes(const dialogue::Credentials& credentials) const override {
    return credentials.by_exchange();
  }
  LookupResult explain(std::string_view /*user*/) override { return UnknownHere{}; }
  [[nodiscard]] std::string_view name() const override { return "stored"; }

  std::string stored = std::string(kKeys);
  std::optional<LookupResult> answer;
};

// gsasl's own client.
class Client {
 public:
  Client(const std::string& mechanism, const std::string& user, const std::string& password,
         const std::string& binding = "") {
    ::gsasl_init(&context_);
    ::gsasl_client_start(context_, mechanism.c_str(), &session_);
    ::gsasl_property_set(session_, GSASL_AUTHID, user.c_str());
    ::gsasl_property_set(session_, GSASL_PASSWORD, password.c_str());
    if (!binding.empty()) {
      ::gsasl_property_set(session_, GSASL_CB_TLS_EXPORTER, binding.c_str());
    }
  }
  ~Client() {
    ::gsasl_finish(session_);
    ::gsasl_done(context_);
  }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  std::string step(const std::string& challenge) {
    char* out = nullptr;
    std::size_t size = 0;
    result = ::gsasl_step(session_, challenge.data(), challenge.size(), &out, &size);
    std::string message(out != nullptr ? std::string(out, size) : "");
    ::gsasl_free(out);
    return message;
  }
  int result = GSASL_OK;

 private:
  Gsasl* context_ = nullptr;
  Gsasl_session* session_ = nullptr;
};

class ExchangeTest : public testing::Test {
 protected:
  ExchangeTest() {
    auto source = std::make_unique<Stored>();
    source_ = source.get();
    std::vector<std::unique_ptr<UserSource>> sources;
    sources.push_back(std::move(source));
    chain_ = std::make_unique<Chain>(*timers_, std::move(sources), std::chrono::seconds(10));
    exchanges_ =
        std::make_unique<Exchanges>(loop_, *chain_, std::make_shared<proof::ScramDecoys>());
  }
  ~ExchangeTest() override {
    exchange_.reset();
    exchanges_.reset();
    chain_.reset();
    timers_.reset();
    loop_.drain();
  }

  void begin(std::string_view mechanism, std::string_view binding = "") {
    credentials_.mechanism = mechanism;
    exchange_ = exchanges_->begin(mechanism, {.exporter = std::string(binding), .end_points = {}});
  }
  // The answer to one message of the client.
  ExchangeAnswer round(std::optional<std::string> message) {
    const Secret bytes(message.value_or(""));
    exchange_->take(message ? &bytes : nullptr);
    credentials_.user = exchange_->user();
    std::optional<ExchangeAnswer> answer;
    exchange_->answer({.credentials = credentials_,
                       .client = {},
                       .connected = {},
                       .listener = "imaps",
                       .session_id = "1"},
                      [&](ExchangeAnswer given) {
                        answer = std::move(given);
                        loop_.stop();
                      });
    if (!answer) {
      loop_.run();
    }
    return *std::move(answer);
  }
  std::string challenge(std::optional<std::string> message) {
    ExchangeAnswer answer = round(std::move(message));
    const auto* next = std::get_if<Challenge>(&answer);
    EXPECT_NE(next, nullptr);
    return next != nullptr ? next->bytes : "";
  }
  static const Rejected* rejected(const ExchangeAnswer& answer) {
    const auto* end = std::get_if<ChainResult>(&answer);
    return end != nullptr ? std::get_if<Rejected>(&end->result) : nullptr;
  }
  // All rounds of a SCRAM exchange; what it ends with.
  ExchangeAnswer scram(Client& client) {
    const std::string first = client.step("");
    ExchangeAnswer answer = round(first);
    while (const auto* next = std::get_if<Challenge>(&answer)) {
      heard_.push_back(next->bytes);
      const std::string message = client.step(next->bytes);
      if (client.result != GSASL_OK && client.result != GSASL_NEEDS_MORE) {
        ADD_FAILURE() << "the client refuses the server: " << next->bytes;
        return ChainResult{Unavailable{}};
      }
      answer = round(message);
    }
    return answer;
  }
  static bool let_in(const ExchangeAnswer& answer) {
    const auto* end = std::get_if<ChainResult>(&answer);
    const auto* accepted = end != nullptr ? std::get_if<Accepted>(&end->result) : nullptr;
    return accepted != nullptr && accepted->route.user == "u1";
  }

  net::Loop loop_;
  std::optional<net::TimerWheel> timers_{std::in_place, loop_};
  Stored* source_ = nullptr;
  std::unique_ptr<Chain> chain_;
  std::unique_ptr<Exchanges> exchanges_;
  std::unique_ptr<Exchange> exchange_;
  dialogue::Credentials credentials_;
  std::vector<std::string> heard_;
};

TEST_F(ExchangeTest, TheRightPasswordGetsInAndTheServerShowsThatItKnowsItToo) {
  for (const char* stored : {kKeys.data(), "{PLAIN}pencil"}) {
    source_->stored = stored;
    heard_.clear();
    begin("SCRAM-SHA-256");
    Client client("SCRAM-SHA-256", "user", "pencil");
    EXPECT_TRUE(let_in(scram(client))) << stored;
    EXPECT_EQ(client.result, GSASL_OK);
    EXPECT_EQ(exchange_->user(), "user");
    ASSERT_EQ(heard_.size(), 2U);
    EXPECT_THAT(heard_[1], StartsWith("v="));
  }
}

TEST_F(ExchangeTest, ScramSha1ServesPasswordsInTheClearAndKeysOfItsOwnKind) {
  for (const auto& [stored, good] :
       {std::pair("{PLAIN}pencil", true),
        {"{SCRAM-SHA-1}4096,QSXCR+Q6sek8bf92,6dlGYMOdZcOPutkcNY8U2g7vK9Y=,"
         "D+CSWLOshSulAsxiupA+qs2/fTE=",
         true},
        {kKeys.data(), false}}) {
    source_->stored = stored;
    begin("SCRAM-SHA-1");
    Client client("SCRAM-SHA-1", "user", "pencil");
    EXPECT_EQ(let_in(scram(client)), good) << stored;
  }
}

TEST_F(ExchangeTest, AWrongPasswordAnUnknownUserAndUselessHashesLookAlike) {
  for (const char* stored : {kKeys.data(), "{PLAIN}pen", "", "{SHA}9p0qAPFlRn+TUSR7VSwTkmiGnw4="}) {
    source_->stored = stored;
    heard_.clear();
    begin("SCRAM-SHA-256");
    Client client("SCRAM-SHA-256", "user", "wrong");
    const ExchangeAnswer end = scram(client);
    ASSERT_NE(rejected(end), nullptr) << stored;
    EXPECT_EQ(rejected(end)->failure, LoginFailure::kWrongCredentials);
    EXPECT_EQ(rejected(end)->text, "");
    ASSERT_EQ(heard_.size(), 1U) << stored;
    EXPECT_THAT(heard_[0], HasSubstr(",i=4096"));
  }
}

TEST_F(ExchangeTest, AnUnknownUserHasTheSameSaltEveryTime) {
  source_->stored = "";
  std::vector<std::string> salts;
  for (int i = 0; i < 2; ++i) {
    begin("SCRAM-SHA-256");
    const std::string first = challenge("n,,n=nobody,r=abcdefghijkl");
    salts.push_back(first.substr(first.find(",s=")));
  }
  EXPECT_EQ(salts[0], salts[1]);
}

TEST_F(ExchangeTest, MessagesThatAreNoneEndTheExchange) {
  const std::string first = "n,,n=user,r=rOprNGfwEbeRWgbNEkqO";
  std::vector<std::string> bad = {"",
                                  "v=x",
                                  "n,,n=,r=abc",
                                  "n,,m=x,n=user,r=abc",
                                  "n,,n=u\xFF,r=abc",
                                  "n,,n=user",
                                  "p=tls-exporter,,n=user,r=abc",
                                  first + std::string(5000, 'x')};
  for (std::size_t cut = 0; cut < first.find(",r=") + 3; ++cut) {
    bad.push_back(first.substr(0, cut));
  }
  for (const std::string& message : bad) {
    begin("SCRAM-SHA-256");
    const ExchangeAnswer end = round(message);
    ASSERT_NE(rejected(end), nullptr) << message;
    EXPECT_EQ(rejected(end)->failure, LoginFailure::kWrongCredentials) << message;
  }
}

TEST_F(ExchangeTest, NoSecondMessageButTheProofOfThisVeryExchangeGetsIn) {
  std::string proof;
  {
    begin("SCRAM-SHA-256");
    Client client("SCRAM-SHA-256", "user", "pencil");
    proof = client.step(challenge(client.step("")));
  }
  for (const std::string& message :
       {proof, std::string(), std::string("c=biws,r=x,p=AAAA"), proof.substr(0, proof.size() / 2),
        std::string("n,,n=user,r=rOprNGfwEbeRWgbNEkqO")}) {
    begin("SCRAM-SHA-256");
    challenge("n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
    EXPECT_NE(rejected(round(message)), nullptr) << message;
  }
}

TEST_F(ExchangeTest, TheLastMessageOfTheClientIsEmptyAndOnlyThenTheUserIsIn) {
  begin("SCRAM-SHA-256");
  Client client("SCRAM-SHA-256", "user", "pencil");
  const std::string last = challenge(client.step(challenge(client.step(""))));
  EXPECT_THAT(last, StartsWith("v="));
  EXPECT_NE(rejected(round("more")), nullptr);
}

TEST_F(ExchangeTest, WithoutAnInitialResponseTheServerHasNothingToSayYet) {
  begin("SCRAM-SHA-256");
  EXPECT_EQ(challenge(std::nullopt), "");
  EXPECT_EQ(exchange_->user(), "");
  Client client("SCRAM-SHA-256", "user", "pencil");
  EXPECT_TRUE(let_in(scram(client)));
}

TEST_F(ExchangeTest, NobodyActsForSomebodyElse) {
  begin("SCRAM-SHA-256");
  const ExchangeAnswer end = round("n,a=admin,n=user,r=rOprNGfwEbeRWgbNEkqO");
  ASSERT_NE(rejected(end), nullptr);
  EXPECT_EQ(rejected(end)->failure, LoginFailure::kAuthorizationRefused);
}

TEST_F(ExchangeTest, ASourceThatCannotAnswerOrLetsInWithoutProofLetsNobodyIn) {
  source_->answer = Unavailable{"down"};
  begin("SCRAM-SHA-256");
  const ExchangeAnswer end = round("n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
  ASSERT_TRUE(std::holds_alternative<ChainResult>(end));
  EXPECT_TRUE(std::holds_alternative<Unavailable>(std::get<ChainResult>(end).result));
  source_->answer = Accepted{Route{.user = "u1", .pool = {}, .backend = {}}};
  for (const char* mechanism : {"SCRAM-SHA-256", "CRAM-MD5"}) {
    begin(mechanism);
    Client client(mechanism, "user", "pencil");
    ExchangeAnswer last = mechanism[0] == 'S' ? scram(client) : round(client.step(challenge({})));
    EXPECT_NE(rejected(last), nullptr) << mechanism;
  }
}

TEST_F(ExchangeTest, AnExchangeThatGoesBeforeItsAnswerIsNotCalledBack) {
  source_->stored = "{PLAIN}pencil";
  begin("SCRAM-SHA-256");
  const Secret first("n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
  exchange_->take(&first);
  credentials_.user = exchange_->user();
  bool called = false;
  exchange_->answer({.credentials = credentials_,
                     .client = {},
                     .connected = {},
                     .listener = "imaps",
                     .session_id = "1"},
                    [&](const ExchangeAnswer&) { called = true; });
  exchange_.reset();
  source_->stored = kKeys;
  begin("SCRAM-SHA-256");
  source_->stored = "{PLAIN}pencil";
  challenge("n,,n=user,r=rOprNGfwEbeRWgbNEkqO");  // comes after the other one's hash
  EXPECT_FALSE(called);
}

TEST_F(ExchangeTest, WithPlusTheProofIsTiedToTheConnection) {
  const std::string binding(32, 'b');
  const std::string encoded = "YmJiYmJiYmJiYmJiYmJiYmJiYmJiYmJiYmJiYmJiYmI=";
  begin("SCRAM-SHA-256-PLUS", binding);
  Client client("SCRAM-SHA-256-PLUS", "user", "pencil", encoded);
  EXPECT_TRUE(let_in(scram(client)));
  begin("SCRAM-SHA-256-PLUS", std::string(32, 'c'));
  Client other("SCRAM-SHA-256-PLUS", "user", "pencil", encoded);
  EXPECT_NE(rejected(scram(other)), nullptr);
  begin("SCRAM-SHA-256-PLUS", "");
  EXPECT_NE(rejected(round("p=tls-exporter,,n=user,r=rOprNGfwEbeRWgbNEkqO")), nullptr);
  begin("SCRAM-SHA-256-PLUS", binding);
  EXPECT_NE(rejected(round("p=tls-unique,,n=user,r=rOprNGfwEbeRWgbNEkqO")), nullptr);
}

TEST_F(ExchangeTest, AClientThatWasTalkedOutOfPlusIsRefused) {
  for (const char* mechanism : {"SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"}) {
    begin(mechanism, std::string(32, 'b'));
    const ExchangeAnswer end = round("y,,n=user,r=rOprNGfwEbeRWgbNEkqO");
    ASSERT_NE(rejected(end), nullptr) << mechanism;
    EXPECT_THAT(rejected(end)->detail, HasSubstr("channel binding"));
  }
  begin("SCRAM-SHA-256");
  EXPECT_THAT(challenge("y,,n=user,r=rOprNGfwEbeRWgbNEkqO"), HasSubstr(",s="));
}

TEST_F(ExchangeTest, CramMd5TakesThePasswordInTheClearAlone) {
  for (const auto& [stored, password, good] : {std::tuple("{PLAIN}pencil", "pencil", true),
                                               {"{PLAIN}pencil", "wrong", false},
                                               {kKeys.data(), "pencil", false},
                                               {"", "pencil", false}}) {
    source_->stored = stored;
    begin("CRAM-MD5");
    Client client("CRAM-MD5", "user", password);
    const ExchangeAnswer end = round(client.step(challenge(std::nullopt)));
    EXPECT_EQ(let_in(end), good) << stored;
    EXPECT_EQ(rejected(end) != nullptr, !good) << stored;
  }
  begin("CRAM-MD5");
  EXPECT_NE(rejected(round("user 0123456789abcdef0123456789abcdef")), nullptr) << "client first";
  begin("CRAM-MD5");
  challenge(std::nullopt);
  EXPECT_NE(rejected(round("")), nullptr);
}

}  // namespace
}  // namespace headgate::auth
