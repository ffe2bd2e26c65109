#include "net/dns.h"

#include <arpa/nameser.h>
#include <fmt/format.h>
#include <netdb.h>
#include <netinet/in.h>
#include <resolv.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>

#include "base/ascii.h"
#include "net/socket.h"

namespace headgate::net {
namespace {

// For servers of the configuration; those of resolv.conf come with options of their own.
constexpr int kSecondsToAnswer = 1;
constexpr int kTries = 2;
constexpr std::size_t kFixedPartOfSrv = 6;  // priority, weight, port
// The longest message that TCP can bring.
constexpr std::size_t kLongestMessage = 65535;

const unsigned char* bytes_of(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

// A message that the C library can walk; nullopt: it is none, or says that something is wrong.
std::optional<ns_msg> begin_parsing(std::string_view message) {
  ns_msg parsed{};
  if (message.size() > kLongestMessage ||
      ns_initparse(bytes_of(message), static_cast<int>(message.size()), &parsed) != 0 ||
      ns_msg_getflag(parsed, ns_f_rcode) != ns_r_noerror) {
    return std::nullopt;
  }
  return parsed;
}

// The rest of an SRV record behind its fixed part: a name, which may be compressed.
std::optional<std::string> read_target(const ns_msg& message, const unsigned char* at) {
  std::array<char, NS_MAXDNAME> name{};
  if (ns_name_uncompress(ns_msg_base(message), ns_msg_end(message), at, name.data(), name.size()) <
      0) {
    return std::nullopt;
  }
  const std::string target = lower_case(name.data());
  return target == "." ? std::string() : target;
}

// How the C library says that there is no answer.
std::string_view why_none(int error) {
  switch (error) {
    case HOST_NOT_FOUND:
      return "there is no such name";
    case NO_DATA:
      return "the name has no such records";
    case TRY_AGAIN:
      return "no server has an answer";
    default:
      return "the servers' answer is an error";
  }
}

// One question's state of the C library's resolver.
class Question {
 public:
  explicit Question(std::span<const Endpoint> servers) : ready_(::res_ninit(&state_) == 0) {
    if (!ready_ || servers.empty()) {
      return;
    }
    state_.nscount = static_cast<int>(std::min(servers.size(), kMostDnsServers));
    for (int i = 0; i < state_.nscount; ++i) {
      sockaddr_storage address{};
      servers[static_cast<std::size_t>(i)].to_sockaddr(address);
      std::memcpy(&state_.nsaddr_list[i], &address, sizeof state_.nsaddr_list[i]);
    }
    state_.retrans = kSecondsToAnswer;
    state_.retry = kTries;
  }
  ~Question() {
    if (ready_) {
      ::res_nclose(&state_);
    }
  }
  Question(const Question&) = delete;
  Question& operator=(const Question&) = delete;

  // The message with the answer, which the C library has found to belong to the question.
  std::expected<std::string, std::string> ask(const std::string& name, ns_type type) {
    if (!ready_) {
      return std::unexpected(std::string("the resolver cannot be set up"));
    }
    std::string answer(kLongestMessage, '\0');
    const int size = ::res_nquery(&state_, name.c_str(), ns_c_in, type,
                                  reinterpret_cast<unsigned char*>(answer.data()),
                                  static_cast<int>(answer.size()));
    if (size < 0) {
      return std::unexpected(std::string(why_none(state_.res_h_errno)));
    }
    answer.resize(std::min(static_cast<std::size_t>(size), kLongestMessage));
    return answer;
  }

 private:
  struct __res_state state_{};
  bool ready_;
};

bool comes_before(const IpAddress& one, const IpAddress& other) {
  return one.is_v6() != other.is_v6() ? other.is_v6() : one.bytes() < other.bytes();
}

}  // namespace

std::expected<SrvReply, std::string> parse_srv_reply(std::string_view message) {
  auto parsed = begin_parsing(message);
  if (!parsed) {
    return std::unexpected(std::string("the answer cannot be read"));
  }
  SrvReply reply;
  for (int i = 0; i < ns_msg_count(*parsed, ns_s_an); ++i) {
    ns_rr record{};
    if (ns_parserr(&*parsed, ns_s_an, i, &record) != 0) {
      return std::unexpected(std::string("the answer cannot be read"));
    }
    // An alias of the name stands there as well.
    if (ns_rr_type(record) != ns_t_srv || ns_rr_class(record) != ns_c_in) {
      continue;
    }
    const unsigned char* data = ns_rr_rdata(record);
    if (ns_rr_rdlen(record) <= kFixedPartOfSrv) {
      return std::unexpected(std::string("a record of the answer is too short"));
    }
    auto target = read_target(*parsed, data + kFixedPartOfSrv);
    if (!target) {
      return std::unexpected(std::string("a name in the answer cannot be read"));
    }
    const std::chrono::seconds ttl(ns_rr_ttl(record));
    reply.ttl = reply.records.empty() ? ttl : std::min(reply.ttl, ttl);
    reply.records.push_back({.target = *std::move(target),
                             .port = static_cast<std::uint16_t>(ns_get16(data + 4)),
                             .priority = static_cast<std::uint16_t>(ns_get16(data)),
                             .weight = static_cast<std::uint16_t>(ns_get16(data + 2))});
  }
  if (reply.records.empty()) {
    return std::unexpected(std::string(why_none(NO_DATA)));
  }
  return reply;
}

std::vector<IpAddress> parse_address_reply(std::string_view message) {
  std::vector<IpAddress> addresses;
  auto parsed = begin_parsing(message);
  for (int i = 0; parsed && i < ns_msg_count(*parsed, ns_s_an); ++i) {
    ns_rr record{};
    if (ns_parserr(&*parsed, ns_s_an, i, &record) != 0) {
      return {};
    }
    std::array<std::uint8_t, 4> v4{};
    std::array<std::uint8_t, 16> v6{};
    if (ns_rr_type(record) == ns_t_a && ns_rr_rdlen(record) == v4.size()) {
      std::copy_n(ns_rr_rdata(record), v4.size(), v4.begin());
      addresses.push_back(IpAddress::from_bytes(v4));
    } else if (ns_rr_type(record) == ns_t_aaaa && ns_rr_rdlen(record) == v6.size()) {
      std::copy_n(ns_rr_rdata(record), v6.size(), v6.begin());
      addresses.push_back(IpAddress::from_bytes(v6));
    }
  }
  return addresses;
}

std::expected<SrvReply, std::string> look_up_srv(const std::string& name,
                                                 std::span<const Endpoint> servers) {
  const auto answer = Question(servers).ask(name, ns_t_srv);
  if (!answer) {
    return std::unexpected(answer.error());
  }
  return parse_srv_reply(*answer);
}

std::expected<std::vector<Endpoint>, std::string> resolve(const HostPort& host,
                                                          std::span<const Endpoint> servers) {
  if (servers.empty() || IpAddress::parse(host.host)) {
    return resolve(host);
  }
  std::vector<IpAddress> addresses;
  std::string why;
  for (const ns_type type : {ns_t_a, ns_t_aaaa}) {
    const auto answer = Question(servers).ask(host.host, type);
    if (!answer) {
      // That there is no IPv6 address is not what is wrong with a name without an IPv4 address.
      why = why.empty() ? answer.error() : why;
      continue;
    }
    std::ranges::copy(parse_address_reply(*answer), std::back_inserter(addresses));
  }
  if (addresses.empty()) {
    return std::unexpected(
        fmt::format("resolve {}: {}", host.host, why.empty() ? why_none(NO_DATA) : why));
  }
  std::ranges::sort(addresses, comes_before);
  std::vector<Endpoint> endpoints;
  for (const IpAddress& address : addresses) {
    endpoints.push_back({address, host.port});
  }
  return endpoints;
}

}  // namespace headgate::net
