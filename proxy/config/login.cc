#include "config/login.h"

#include "config/policy.h"
#include "config/scalars.h"

namespace headgate::config {

using namespace std::chrono_literals;

namespace {

const Choices<OverUserLimit> kOverUserLimits = {{"refuse", OverUserLimit::kRefuse},
                                                {"end_oldest_idle", OverUserLimit::kEndOldestIdle}};

// Conditions between the keys of `limits`.
void check_limits(Reader& reader, const std::string& path, const Limits& limits) {
  if (limits.over_user_limit == OverUserLimit::kEndOldestIdle && limits.sessions_per_user == 0) {
    reader.refuse(path + ".over_user_limit",
                  "sessions_per_user beside end_oldest_idle, found none");
  }
  if (reader.has(path + ".idle_for") && limits.over_user_limit == OverUserLimit::kRefuse) {
    reader.refuse(path + ".idle_for", "no time with over_user_limit refuse, which ends nothing");
  }
}

}  // namespace

Type<Login> login_type() {
  return section<Login>({
      key("timeout", &Login::timeout, duration(1s, 1h),
          "Time from the accept to the end of the login, whatever the client sends."),
      key("max_line", &Login::max_line, size(512, 1024 * 1024),
          "Length of a command line without its literals."),
      key("max_literal", &Login::max_literal, size(64, 1024 * 1024), "Length of one literal."),
      key("max_sasl", &Login::max_sasl, size(512, 1024 * 1024),
          "Length of a line with a token, which is base64: one that says AUTHENTICATE, or a SASL "
          "response. For listeners with XOAUTH2 or OAUTHBEARER; max_line where that is larger."),
      key("max_total", &Login::max_total, size(4096, 16UL * 1024 * 1024),
          "All bytes that a client may send before it is logged in."),
      key("max_sessions", &Login::max_sessions, number(std::size_t{1}, std::size_t{10'000'000}),
          "Sessions before login, all clients together; the oldest gives way to a new one."),
      key("max_failures", &Login::max_failures, number(1U, 1000U),
          "Failed logins after which the connection ends."),
      key("max_bad_commands", &Login::max_bad_commands, number(1U, 1000U),
          "Commands answered BAD after which the connection ends."),
      key("failure_delay", &Login::failure_delay, duration(0ms, 60s),
          "How long the reply to a wrong password waits."),
      group<Login>(
          "capabilities", "Changes to the capability list that clients see before login.",
          {
              key("add", &Login::capabilities_add,
                  list_of(capability(), "a list of capability names"),
                  "Capabilities to add; Headgate does not check that they work."),
              key("remove", &Login::capabilities_remove,
                  list_of(capability(), "a list of capability names"),
                  "Capabilities to leave out; AUTH=PLAIN, say, also turns the mechanism off."),
          }),
      key("policy", &Login::policy, policy_type(),
          "A server that speaks weakforced's HTTP is asked before each login, and told how it "
          "ended. Not set: none."),
      key("greeting", &Login::greeting, greeting_text(),
          "Text for humans at the end of the greeting."),
  });
}

Type<Limits> limits_type() {
  return section<Limits>(
      {
          key("sessions_per_user", &Limits::sessions_per_user, number(0U, kMostSessions),
              "Sessions that one user may have. 0: no limit."),
          key("over_user_limit", &Limits::over_user_limit, choice(kOverUserLimits),
              "What becomes of a login of a user who has as many. refuse: it is refused. "
              "end_oldest_idle: once the backend has let it in, the user's session that has been "
              "idle "
              "for longest ends; without one it is refused."),
          key("idle_for", &Limits::idle_for, duration(1000ms, 24h),
              "end_oldest_idle: how long no byte must have moved in a session that may be ended."),
          key("sessions_per_user_and_network", &Limits::sessions_per_user_and_network,
              number(0U, kMostSessions),
              "Sessions that one user may have from one network, which is the client's address cut "
              "to "
              "the prefix below; behind a load balancer the address of the PROXY header. 0: no "
              "limit."),
          key("sessions_per_network", &Limits::sessions_per_network, number(0U, kMostSessions),
              "Sessions from one network, all users together. 0: no limit."),
          key("ipv4_prefix", &Limits::ipv4_prefix, number(8U, 32U),
              "Bits of an IPv4 address that make a network; 32: each address by itself."),
          key("ipv6_prefix", &Limits::ipv6_prefix, number(16U, 128U),
              "Bits of an IPv6 address that make a network; 64: what a household has."),
          key("exempt", &Limits::exempt, list_of(network(), "a list of networks in CIDR form"),
              "Networks that the limits by network do not count: webmail, large NATs.",
              {.example = R"(["192.0.2.0/24"])"}),
      },
      check_limits);
}

}  // namespace headgate::config
