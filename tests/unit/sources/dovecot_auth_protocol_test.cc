#include "sources/dovecot_auth_protocol.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace headgate::sources {
namespace {

using dialogue::LoginFailure;
using testing::HasSubstr;
using testing::StartsWith;
using Kind = DovecotAuthLine::Kind;

auth::Route route_of(const std::string& fields, const std::string& user = "alice") {
  auth::LookupResult result =
      dovecot_auth_accepted(fields, {"PLAIN", user, {}}, DovecotAuthTrust::kChecked);
  auto* accepted = std::get_if<auth::Accepted>(&result);
  if (accepted == nullptr) {
    ADD_FAILURE() << fields << ": " << std::get<auth::Rejected>(result).detail;
    return {};
  }
  return std::move(accepted->route);
}

auth::Rejected refusal_of(const std::string& fields) {
  auth::LookupResult result =
      dovecot_auth_accepted(fields, {"PLAIN", "alice", {}}, DovecotAuthTrust::kChecked);
  const auto* rejected = std::get_if<auth::Rejected>(&result);
  EXPECT_NE(rejected, nullptr) << fields;
  return rejected != nullptr ? *rejected : auth::Rejected{LoginFailure::kInternal};
}

auth::LoginRequest request_with(const dialogue::Credentials& credentials) {
  return {.credentials = credentials,
          .client = *Endpoint::parse("192.0.2.7:50000"),
          .connected = *Endpoint::parse("[2001:db8::1]:993"),
          .listener = "imaps",
          .session_id = "s\t1",
          .tls = true};
}

TEST(DovecotAuthProtocol, TheHandshakeOfBothServersIsUnderstood) {
  EXPECT_EQ(parse_dovecot_auth_line("VERSION\t1\t4")->kind, Kind::kVersion);
  const auto mechanism = parse_dovecot_auth_line("MECH\tPLAIN\tplaintext");
  EXPECT_EQ(mechanism->kind, Kind::kMechanism);
  EXPECT_THAT(std::string(mechanism->fields), StartsWith("PLAIN"));
  EXPECT_EQ(parse_dovecot_auth_line("DONE")->kind, Kind::kDone);
  for (const char* line : {"SPID\t12", "CUID\t1", "COOKIE\tabc", "SOMETHING\tnew"}) {
    EXPECT_EQ(parse_dovecot_auth_line(line)->kind, Kind::kOther) << line;
  }
}

TEST(DovecotAuthProtocol, LinesThatMakeNoSenseAreErrorsThatRepeatNothing) {
  for (const char* line :
       {"", "\tx", "VERSION", "VERSION\t2\t0", "VERSION\t1\tsecret", "MECH", "OK", "OK\t0",
        "OK\t-1", "FAIL\tsecret", "CONT\t1\tno base64", "CONT\t4294967296\t", "OK\t1secret"}) {
    const auto parsed = parse_dovecot_auth_line(line);
    ASSERT_FALSE(parsed) << line;
    EXPECT_THAT(parsed.error(), StartsWith("expected"));
    EXPECT_EQ(parsed.error().find("secret"), std::string::npos);
  }
}

TEST(DovecotAuthProtocol, ChallengesAreDecoded) {
  EXPECT_EQ(parse_dovecot_auth_line("CONT\t7\taGVsbG8=")->message.view(), "hello");
  EXPECT_TRUE(parse_dovecot_auth_line("CONT\t7\t")->message.empty());
  EXPECT_TRUE(parse_dovecot_auth_line("CONT\t7\t#\tchannel_binding=x")->message.empty());
}

TEST(DovecotAuthProtocol, ARequestSaysWhereTheLoginComesFromAndItsMessageLast) {
  const dialogue::Credentials credentials{"LOGIN", "alice", Secret("sesame")};
  const Secret message = dovecot_auth_message(credentials);
  EXPECT_EQ(message.view(), std::string_view("\0alice\0sesame", 13));
  EXPECT_EQ(dovecot_auth_request(3, dovecot_auth_mechanism(credentials), "imap",
                                 request_with(credentials), &message)
                .view(),
            "AUTH\t3\tPLAIN\tservice=imap\tsecured=tls\tno-penalty\tsession=s\001t1"
            "\tlip=2001:db8::1\trip=192.0.2.7\tlport=993\trport=50000"
            "\tresp=AGFsaWNlAHNlc2FtZQ==\n");
}

TEST(DovecotAuthProtocol, NoMessageAndAnEmptyOneDiffer) {
  const dialogue::Credentials credentials{"CRAM-MD5", "", Secret()};
  const auth::LoginRequest request = request_with(credentials);
  const Secret empty;
  EXPECT_EQ(dovecot_auth_request(1, "CRAM-MD5", "imap", request, nullptr).view().find("resp="),
            std::string_view::npos);
  EXPECT_TRUE(
      dovecot_auth_request(1, "CRAM-MD5", "imap", request, &empty).view().ends_with("resp==\n"));
}

TEST(DovecotAuthProtocol, WhatIsTooLongForDovecotIsNotSent) {
  const dialogue::Credentials credentials{"PLAIN", "alice", Secret(std::string(13000, 'x'))};
  const Secret message = dovecot_auth_message(credentials);
  EXPECT_TRUE(
      dovecot_auth_request(1, "PLAIN", "imap", request_with(credentials), &message).empty());
  EXPECT_TRUE(dovecot_auth_continue(1, message).empty());
}

TEST(DovecotAuthProtocol, TokensGoByTheirMechanismsOwnMessage) {
  EXPECT_EQ(dovecot_auth_message({"XOAUTH2", "alice", Secret("t0ken")}).view(),
            "user=alice\001auth=Bearer t0ken\001\001");
  EXPECT_EQ(dovecot_auth_message({"OAUTHBEARER", "a=b,c", Secret("t0ken")}).view(),
            "n,a=a=3Db=2Cc,\001auth=Bearer t0ken\001\001");
  EXPECT_EQ(dovecot_auth_message({"OAUTHBEARER", "", Secret("t0ken")}).view(),
            "n,,\001auth=Bearer t0ken\001\001");
}

TEST(DovecotAuthProtocol, WithoutProxyFieldsThePoolDecides) {
  const auth::Route route = route_of("user=alice@example.org\thost=10.0.0.1\tport=1143");
  EXPECT_EQ(route.user, "alice@example.org");
  EXPECT_FALSE(route.backend);
  EXPECT_FALSE(route.name);
  EXPECT_TRUE(route.use_master);
  EXPECT_EQ(route.password, nullptr);
  EXPECT_EQ(route_of("user=bob", "").name, "bob") << "the client has not said who it is";
  EXPECT_EQ(route_of("user=bob\theadgate_pool=west").pool, "west");
}

TEST(DovecotAuthProtocol, TheProxyFieldsSayWhereAndHow) {
  const auth::Route route = route_of(
      "user=alice\tproxy\thost=mail1.example.org\thostip=10.0.0.1\tport=1143\tdestuser=a1"
      "\tpass=two\001twords\tstarttls=any-cert\tproxy_timeout=2 secs\tunknown=x");
  EXPECT_EQ(route.backend->to_string(), "mail1.example.org:1143");
  ASSERT_EQ(route.addresses.size(), 1U);
  EXPECT_EQ(route.addresses[0].to_string(), "10.0.0.1:1143");
  EXPECT_EQ(route.user, "a1");
  ASSERT_NE(route.password, nullptr);
  EXPECT_EQ(route.password->view(), "two\twords");
  EXPECT_FALSE(route.use_master);
  EXPECT_EQ(route.tls, auth::BackendTls::kStartTls);
  EXPECT_EQ(route.login_timeout, std::chrono::seconds(2));
}

TEST(DovecotAuthProtocol, AnyCertificateIsAWishAndImpliesTls) {
  for (const auto& [fields, tls, any] :
       {std::tuple("ssl=any-cert", auth::BackendTls::kImplicit, true),
        std::tuple("starttls=any-cert", auth::BackendTls::kStartTls, true),
        std::tuple("ssl=yes\tstarttls=any-cert", auth::BackendTls::kStartTls, true),
        std::tuple("ssl=yes", auth::BackendTls::kImplicit, false)}) {
    const auth::Route result = route_of(std::string("user=alice\tproxy\thost=b\t") + fields);
    EXPECT_EQ(result.tls, tls) << fields;
    EXPECT_EQ(result.any_certificate, any) << fields;
  }
}

TEST(DovecotAuthProtocol, APassIsATokenWhereTheMechanismSaysSo) {
  using dialogue::BackendProof;
  EXPECT_EQ(route_of("user=a\tpass=t\tproxy_mech=XOAUTH2").proof, BackendProof::kXoauth2);
  EXPECT_EQ(route_of("user=a\tpass=t\tproxy_mech=oauthbearer").proof, BackendProof::kOauthbearer);
  EXPECT_EQ(route_of("user=a\tpass=t\tproxy_mech=SCRAM-SHA-256").proof, BackendProof::kPassword);
  EXPECT_EQ(route_of("user=a\tpass=t").proof, BackendProof::kPassword);
  EXPECT_EQ(route_of("user=a\tproxy_mech=XOAUTH2").proof, BackendProof::kPassword)
      << "the client's own token goes as the pool says";
}

TEST(DovecotAuthProtocol, PortsAreThoseOfImapWhereNoneIsNamed) {
  EXPECT_EQ(route_of("user=a\tproxy=y\thost=m1").backend->to_string(), "m1:143");
  EXPECT_EQ(route_of("user=a\tproxy_maybe=y\thost=m1\tssl=yes").backend->to_string(), "m1:993");
  EXPECT_EQ(route_of("user=a\tproxy=y\thost=2001:db8::5\tssl=no").backend->to_string(),
            "[2001:db8::5]:143");
  EXPECT_EQ(route_of("user=a\tproxy=y\thostip=10.0.0.9").backend->to_string(), "10.0.0.9:143");
  EXPECT_FALSE(route_of("user=a\tproxy=n\thost=m1").backend);
}

TEST(DovecotAuthProtocol, AMasterUserLogsInWithThePasswordThatComesAlong) {
  EXPECT_EQ(route_of("user=a\tproxy\thost=m1\tpass=p\tmaster=boss").master, "boss");
  EXPECT_FALSE(route_of("user=a\tproxy\thost=m1\tmaster=boss").master) << "no password, no master";
}

TEST(DovecotAuthProtocol, WhereDovecotMayLetInAnybodyOnlyTheBackendJudgesPasswords) {
  const auto uses_master = [](const dialogue::Credentials& credentials) {
    const auth::LookupResult result =
        dovecot_auth_accepted("user=alice", credentials, DovecotAuthTrust::kPerhapsOpen);
    return std::get<auth::Accepted>(result).route.use_master;
  };
  EXPECT_FALSE(uses_master({"LOGIN", "alice", Secret("p")}));
  EXPECT_TRUE(uses_master({"XOAUTH2", "alice", Secret("t")}));
  EXPECT_TRUE(uses_master({"CRAM-MD5", "alice", Secret()}));
}

TEST(DovecotAuthProtocol, TimesComeInSeveralUnits) {
  using std::chrono::milliseconds;
  EXPECT_EQ(route_of("user=a\tproxy_timeout=30").login_timeout, milliseconds(30000));
  EXPECT_EQ(route_of("user=a\tproxy_timeout=250 msecs").login_timeout, milliseconds(250));
  EXPECT_EQ(route_of("user=a\tproxy_timeout=2mins").login_timeout, milliseconds(120000));
  EXPECT_EQ(route_of("user=a\tproxy_timeout=4294967295").login_timeout, milliseconds(3600000));
}

TEST(DovecotAuthProtocol, FieldsThatMakeNoSenseAreNoWrongPassword) {
  for (const char* fields :
       {"", "proxy", "user=", "user=a\001nb", "user=a\tdestuser=", "user=a\tpass=x\001ny",
        "user=a\tproxy\thost=", "user=a\tproxy\thost=m1\tport=0", "user=a\tproxy\thost=m1\tport=x",
        "user=a\tproxy\thost=m1\thostip=m2", "user=a\tproxy_timeout=soon", "user=\xff",
        "user=a\tproxy\thost=m1\tport=65536"}) {
    const auth::Rejected rejected = refusal_of(fields);
    EXPECT_EQ(rejected.failure, LoginFailure::kLookupUnavailable) << fields;
    EXPECT_THAT(rejected.detail, HasSubstr("expected")) << fields;
    EXPECT_EQ(rejected.text, "") << fields;
  }
}

TEST(DovecotAuthProtocol, WhoMayNotLogInIsToldTheReason) {
  const auth::Rejected rejected = refusal_of("user=alice\tnologin\treason=Moving\001nhouse");
  EXPECT_EQ(rejected.failure, LoginFailure::kAccountDisabled);
  EXPECT_EQ(rejected.text, "Moving?house");
}

TEST(DovecotAuthProtocol, EachCodeOfARefusalHasItsFailure) {
  const auto failure = [](const char* fields) { return dovecot_auth_rejected(fields).failure; };
  EXPECT_EQ(failure("user=alice"), LoginFailure::kWrongCredentials);
  EXPECT_EQ(failure(""), LoginFailure::kWrongCredentials);
  EXPECT_EQ(failure("user=alice\tcode=invalid_base64"), LoginFailure::kWrongCredentials);
  EXPECT_EQ(failure("user=alice\ttemp"), LoginFailure::kLookupUnavailable);
  EXPECT_EQ(failure("user=alice\tcode=temp_fail"), LoginFailure::kLookupUnavailable);
  EXPECT_EQ(failure("user=alice\tauthz"), LoginFailure::kAuthorizationRefused);
  EXPECT_EQ(failure("user=alice\tcode=authz_fail"), LoginFailure::kAuthorizationRefused);
  EXPECT_EQ(failure("user=alice\tcode=authzfail"), LoginFailure::kAuthorizationRefused);
  EXPECT_EQ(failure("user=alice\tuser_disabled"), LoginFailure::kAccountDisabled);
  EXPECT_EQ(failure("user=alice\tcode=user_disabled"), LoginFailure::kAccountDisabled);
  EXPECT_EQ(failure("user=alice\tcode=pass_expired"), LoginFailure::kExpired);
  EXPECT_EQ(failure("user=alice\tpass_expired"), LoginFailure::kExpired);
}

TEST(DovecotAuthProtocol, AReasonIsBoundedAndOnOneLine) {
  const auth::Rejected rejected =
      dovecot_auth_rejected("user=a\treason=" + std::string(4000, 'x') + "\001n");
  EXPECT_EQ(rejected.text.size(), 512U);
  EXPECT_EQ(dovecot_auth_rejected("reason=down\tcode=temp_fail").text, "");
}

TEST(DovecotMaster, AQuestionIsOneLineBehindTheHandshake) {
  EXPECT_EQ(dovecot_master_request("imap", "alice"),
            "VERSION\t1\t1\nPASS\t1\talice\tservice=imap\n");
  EXPECT_EQ(dovecot_master_request("imap", "a\tb\nc"),
            "VERSION\t1\t1\nPASS\t1\ta\001tb\001nc\tservice=imap\n");
}

TEST(DovecotMaster, AnswersAreThoseOfALogin) {
  for (const char* line : {"VERSION\t1\t2", "SPID\t7", "", "USER\t1\tx"}) {
    EXPECT_FALSE(dovecot_master_answer(line, "alice")) << line;
  }
  const auto found = dovecot_master_answer("PASS\t1\tuser=alice\tproxy\thost=m1", "alice");
  ASSERT_TRUE(found && std::holds_alternative<auth::Accepted>(*found));
  EXPECT_EQ(std::get<auth::Accepted>(*found).route.backend->to_string(), "m1:143");
  const auto nobody = dovecot_master_answer("NOTFOUND\t1", "alice");
  ASSERT_TRUE(nobody && std::holds_alternative<auth::Rejected>(*nobody));
  EXPECT_EQ(std::get<auth::Rejected>(*nobody).failure, LoginFailure::kWrongCredentials);
  for (const char* line : {"FAIL\t1\treason=no", "FAIL\t1", "PASS\t2\tuser=alice", "PASS"}) {
    const auto failed = dovecot_master_answer(line, "alice");
    EXPECT_TRUE(failed && std::holds_alternative<auth::Unavailable>(*failed)) << line;
  }
}

TEST(DovecotAuthProtocol, AUserMayHaveALimitOfItsOwn) {
  EXPECT_EQ(route_of("user=alice").max_sessions, std::nullopt);
  EXPECT_EQ(route_of("user=alice\theadgate_max_sessions=3").max_sessions, 3U);
  EXPECT_THAT(refusal_of("user=alice\theadgate_max_sessions=many").detail,
              HasSubstr("headgate_max_sessions: expected a whole number from 0 to 10000000"));
}

TEST(DovecotAuthProtocol, WhatIsForwardedGoesAlongInBounds) {
  const auth::Route route = route_of("user=alice\tforward_tier=gold\tforward_b=2\tforward_c=");
  ASSERT_EQ(route.forward.size(), 2U) << "an empty one is none";
  EXPECT_EQ(route.forward[1].key, "b");
  EXPECT_EQ(route.forward[1].value, "2");
  EXPECT_EQ(route.forward[0].key, "tier");
  EXPECT_THAT(refusal_of("user=alice\tforward_" + std::string(21, 'k') + "=x").detail,
              HasSubstr("expected at most 20 letters"));
  EXPECT_THAT(refusal_of("user=alice\tforward_a=x\001ny").detail, HasSubstr("on one line"));
  EXPECT_THAT(refusal_of("user=alice\tforward_a=" + std::string(1025, 'x')).detail,
              HasSubstr("at most 1024 bytes"));
  std::string many = "user=alice";
  for (int i = 0; i < 9; ++i) {
    many += "\tforward_k" + std::to_string(i) + "=x";
  }
  EXPECT_THAT(refusal_of(many).detail, HasSubstr("at most 8 fields"));
}

TEST(DovecotAuthProtocol, ACertificateIsToldByItsCommonName) {
  const dialogue::Credentials credentials{"EXTERNAL", "", {}};
  auth::LoginRequest request = request_with(credentials);
  net::CertificateNames names;
  names.fields[static_cast<std::size_t>(net::CertificateField::kCommonName)] = {"al\tice"};
  request.certificate = std::make_shared<const net::CertificateNames>(names);
  const Secret message = dovecot_auth_message(credentials);
  const Secret line =
      dovecot_auth_request(7, dovecot_auth_mechanism(credentials), "imap", request, &message);
  EXPECT_THAT(std::string(line.view()), StartsWith("AUTH\t7\tEXTERNAL\tservice=imap\t"));
  EXPECT_THAT(std::string(line.view()),
              testing::EndsWith("\tvalid-client-cert\tcert_username=al\001tice\tresp==\n"));
  const dialogue::Credentials named{"EXTERNAL", "boss", {}};
  EXPECT_EQ(dovecot_auth_message(named).view(), "boss");
  const auth::LookupResult result =
      dovecot_auth_accepted("user=alice", named, DovecotAuthTrust::kChecked);
  EXPECT_EQ(std::get<auth::Accepted>(result).route.name, "alice") << "who it is, Dovecot says";

  // Nobody says which of two names counts.
  names.fields[static_cast<std::size_t>(net::CertificateField::kCommonName)].push_back("bob");
  request.certificate = std::make_shared<const net::CertificateNames>(names);
  EXPECT_THAT(std::string(dovecot_auth_request(7, "EXTERNAL", "imap", request, &message).view()),
              HasSubstr("\tcert_username=\t"));
}

}  // namespace
}  // namespace headgate::sources
