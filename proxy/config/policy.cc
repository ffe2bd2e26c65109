#include "config/policy.h"

#include "config/scalars.h"
#include "config/user_sources.h"

namespace headgate::config {

using namespace std::chrono_literals;

namespace {

const Choices<WithoutPolicy> kWithoutPolicy = {{"allow", WithoutPolicy::kAllow},
                                               {"refuse", WithoutPolicy::kRefuse}};

void check_policy(Reader& reader, const std::string& path, const PolicyServer& policy) {
  const bool nonce = reader.has(path + ".nonce");
  const bool file = reader.has(path + ".nonce_file");
  if (nonce == file) {
    reader.refuse(nonce ? path + ".nonce_file" : path + ".nonce",
                  nonce ? "either nonce or nonce_file" : "nonce or nonce_file, found neither");
  }
  if (!policy.check && !policy.report) {
    reader.refuse(path + (reader.has(path + ".check") ? ".check" : ".report"),
                  "check or report, or the section left out");
  }
}

}  // namespace

Type<PolicyServer> policy_type() {
  return section<PolicyServer>(
      {
          key("url", &PolicyServer::url, url(),
              "The server; ?command=allow and ?command=report are added.",
              {.required = true, .example = R"("http://127.0.0.1:8084/")"}),
          key("headers", &PolicyServer::headers, list_of(http_header_type(), "a list of headers"),
              "Headers that go with each request, for the server's key: Authorization, say."),
          key("check", &PolicyServer::check, boolean(),
              "Whether it is asked before each login. false: it is only told how they ended."),
          key("report", &PolicyServer::report, boolean(),
              "Whether it is told how logins ended that were let in or refused."),
          key("timeout", &PolicyServer::timeout, duration(50ms, 10s), "Time for its answer."),
          key("without_answer", &PolicyServer::without_answer, choice(kWithoutPolicy),
              "What becomes of logins that it gives no answer about. refuse: they get "
              "[UNAVAILABLE]."),
          key("exempt", &PolicyServer::exempt,
              list_of(network(), "a list of networks in CIDR form"),
              "Networks whose logins are neither asked about nor told: webmail, monitoring.",
              {.example = R"(["127.0.0.0/8", "::1/128", "192.0.2.10/32"])"}),
          key("nonce", &PolicyServer::nonce, secret("a text that only your own servers know"),
              "Goes into the hash of the password that the server gets: the same for all that ask "
              "it (Dovecot's auth_policy_hash_nonce).",
              {.secret = true, .example = "random text"}),
          key("nonce_file", &PolicyServer::nonce, secret_file(), "File whose first line is that.",
              {.secret = true, .example = "policy.nonce"}),
          key("hash_bits", &PolicyServer::hash_bits, number(1U, 256U),
              "Bits of that hash that the server gets: enough to tell two wrong passwords apart, "
              "too few to find out a password (Dovecot's auth_policy_hash_truncate)."),
          key("verify", &PolicyServer::verify, boolean(),
              "Whether an https server must show a valid certificate for its host name."),
          key("ca", &PolicyServer::ca, file("a PEM file that can be read"),
              "PEM file with the authorities to trust. Not set: the system's.",
              {.example = "ca.pem"}),
      },
      check_policy);
}

}  // namespace headgate::config
