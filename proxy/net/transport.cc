#include "net/transport.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include <fmt/format.h>

#include "base/address.h"
#include "net/tls.h"
#include "net/tls_error.h"

namespace headgate::net {
namespace {

// What a peer may make us say by reading alone (answers to key updates) before it has to take it.
constexpr std::size_t kMaxSaidUnread = 16 * 1024;

// What stands in OpenSSL's queue of errors from before would be taken for the outcome of the next
// call. It is nearly always empty, and to see that is much cheaper than to empty it.
void clear_errors() {
  if (ERR_peek_error() != 0) {
    ERR_clear_error();
  }
}

std::string peer_address(int fd) {
  sockaddr_storage storage{};
  socklen_t length = sizeof storage;
  auto* address = reinterpret_cast<sockaddr*>(&storage);
  if (::getpeername(fd, address, &length) != 0) {
    return {};
  }
  return Endpoint::from_sockaddr(address).to_string();
}

bool is_address_literal(const std::string& name) {
  in6_addr parsed{};
  return ::inet_pton(AF_INET, name.c_str(), &parsed) == 1 ||
         ::inet_pton(AF_INET6, name.c_str(), &parsed) == 1;
}

void expect_name(SSL* ssl, const std::string& name, bool verify) {
  if (is_address_literal(name)) {
    if (verify) {
      X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), name.c_str());
    }
    return;
  }
  if (!name.empty()) {
    SSL_ctrl(ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
             const_cast<char*>(name.c_str()));  // SSL_set_tlsext_host_name casts the old way
  }
  if (verify) {
    SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    SSL_set1_host(ssl, name.c_str());
  }
}

}  // namespace

Transport::Transport(UniqueFd fd, IoScratch& scratch) : scratch_(scratch), wire_(std::move(fd)) {}

Transport::~Transport() {
  if (stage_ == Stage::kOpen) {
    // Else OpenSSL marks the session as not to be resumed, and takes the context's lock for it.
    SSL_set_shutdown(ssl_, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
  }
  SSL_free(ssl_);
}

IoResult Transport::finish_connect() {
  sockaddr_storage storage{};
  socklen_t length = sizeof storage;
  if (::getpeername(wire_.fd(), reinterpret_cast<sockaddr*>(&storage), &length) == 0) {
    return {0, Want::kNone};
  }
  const int error = errno;
  if (broken()) {
    return {0, Want::kFailed};
  }
  if (error == ENOTCONN) {
    return {0, Want::kWrite};
  }
  wire_.set_error(error);
  return {0, Want::kFailed};
}

bool Transport::broken() {
  int error = 0;
  socklen_t length = sizeof error;
  if (::getsockopt(wire_.fd(), SOL_SOCKET, SO_ERROR, &error, &length) != 0) {
    error = errno;
  }
  if (error != 0) {
    wire_.set_error(error);  // the kernel tells it once
  }
  return wire_.error() != 0 || stage_ == Stage::kBroken;
}

void Transport::start_tls(ServerTls& tls, std::string_view first_flight) {
  SSL* ssl = SSL_new(tls.raw());
  if (ssl != nullptr) {
    SSL_set_accept_state(ssl);
  }
  if (first_flight.empty()) {
    start_tls(ssl, Stage::kHandshake);
    return;
  }
  first_flight_ = std::make_unique<std::string>(first_flight);
  start_tls(ssl, Stage::kFirstFlight);
}

void Transport::start_tls(ClientTls& tls, const std::string& server_name) {
  SSL* ssl = SSL_new(tls.raw());
  if (ssl != nullptr) {
    SSL_set_connect_state(ssl);
    expect_name(ssl, server_name, tls.verifies());
    tls.use_session(ssl, server_name, peer_address(wire_.fd()));
  }
  start_tls(ssl, Stage::kHandshake);
}

void Transport::start_tls(ssl_st* ssl, Stage first) {
  ssl_ = ssl;
  if (ssl == nullptr) {
    stage_ = Stage::kBroken;
    wire_.set_error(ENOMEM);
    return;
  }
  tap_ = HandshakeTap::attach(ssl);
  BIO* bio = scratch_.bio_.reference();
  SSL_set_bio(ssl, bio, bio);
  stage_ = first;
}

// What OpenSSL's answer to the last call asks for.
Want Transport::why(int result) {
  switch (SSL_get_error(ssl_, result)) {
    case SSL_ERROR_NONE:
      return Want::kNone;
    case SSL_ERROR_WANT_READ:
      return wire_.end_of_file() ? Want::kFailed : Want::kRead;
    case SSL_ERROR_WANT_WRITE:
      return Want::kWrite;
    case SSL_ERROR_ZERO_RETURN:
      return Want::kClosed;
    default:
      // SSL or SYSCALL: fatal. No further call, and above all no SSL_shutdown.
      tls_error_ = ERR_peek_error();
      stage_ = Stage::kBroken;
      return Want::kFailed;
  }
}

IoResult Transport::handshake() {
  if (stage_ == Stage::kBroken || stage_ == Stage::kPlain) {
    return {0, Want::kFailed};
  }
  if (wire_.unsent() > 0) {
    if (const Want want = wire_.flush(); want != Want::kNone) {
      return {0, want};
    }
  }
  if (stage_ == Stage::kOpen || stage_ == Stage::kRecords) {
    return {0, Want::kNone};
  }
  const bool had_greeting = first_flight_ != nullptr;
  clear_errors();
  scratch_.bio_.attach(wire_, 0);
  Want want = Want::kNone;
  {
    const HandshakeTap::Listening listening(tap_.get());
    want = advance_handshake();
  }
  const bool done = want == Want::kNone;
  // What a TLS 1.3 server says last are session tickets: they go along with its next words, which
  // saves a system call here and a wake-up there. Everything else the peer waits for.
  const bool only_tickets =
      done && SSL_is_server(ssl_) == 1 && SSL_version(ssl_) == TLS1_3_VERSION && !had_greeting;
  scratch_.bio_.detach(only_tickets ? SharedBio::Rest::kHoldBack : SharedBio::Rest::kSend);
  if (wire_.send_failed()) {
    return {0, Want::kFailed};
  }
  if (done) {
    stage_ = Stage::kOpen;
    more_inside_ = wire_.has_input() || SSL_has_pending(ssl_) == 1;
    if (!more_inside_) {
      wire_.await_poll();
    }
    return {0, Want::kNone};
  }
  wire_.await_poll();
  return {0, want == Want::kRead && wire_.unsent() > 0 ? Want::kWrite : want};
}

Want Transport::advance_handshake() {
  if (stage_ == Stage::kFirstFlight) {
    char none = 0;
    std::size_t bytes = 0;
    // max_early_data is 0, so that this can only end the first flight and never yields a byte.
    const int result = SSL_read_early_data(ssl_, &none, sizeof none, &bytes);
    if (result == SSL_READ_EARLY_DATA_ERROR) {
      return why(0);
    }
    stage_ = Stage::kHandshake;
    // Under TLS 1.2 the handshake is complete by now, under 1.3 the client's Finished is to come.
    // Without ours what went out is a HelloRetryRequest (RFC 8446, section 4.1.4), behind which
    // nothing may be said; then the greeting waits for the end.
    if (char finished = 0; SSL_get_finished(ssl_, &finished, sizeof finished) > 0) {
      if (const Want want = send_first_flight(); want != Want::kNone) {
        return want;
      }
    }
  }
  if (const int result = SSL_do_handshake(ssl_); result != 1) {
    return why(result);
  }
  return first_flight_ != nullptr ? send_first_flight() : Want::kNone;
}

Want Transport::send_first_flight() {
  const std::unique_ptr<std::string> greeting = std::move(first_flight_);
  std::size_t written = 0;
  const int result = SSL_is_init_finished(ssl_) == 1
                         ? SSL_write_ex(ssl_, greeting->data(), greeting->size(), &written)
                         : SSL_write_early_data(ssl_, greeting->data(), greeting->size(), &written);
  return result == 1 ? Want::kNone : why(result);
}

IoResult Transport::read(std::span<char> into) {
  switch (stage_) {
    case Stage::kPlain:
      return read_plain(into);
    case Stage::kRecords:
      return read_records(into);
    default:
      return read_tls(into);
  }
}

IoResult Transport::read_plain(std::span<char> into) {
  IoResult result = wire_.receive(into);
  if (result.want == Want::kNone && wire_.drained()) {
    result.want = Want::kRead;
  }
  if (result.want == Want::kRead) {
    wire_.await_poll();
  }
  return result;
}

IoResult Transport::read_tls(std::span<char> into) {
  if (stage_ != Stage::kOpen) {
    return {0, Want::kFailed};
  }
  if (said_reading_ > kMaxSaidUnread && wire_.flush() != Want::kNone) {
    return {0, wire_.send_failed() ? Want::kFailed : Want::kWrite};
  }
  const std::size_t unsent_before = wire_.unsent();
  const std::size_t held_back = wire_.held_back();
  clear_errors();
  SharedBio& bio = scratch_.bio_;
  bio.attach(wire_, into.size());
  IoResult result;
  for (unsigned records = 0; result.bytes < into.size() && records < kRecordsARead; ++records) {
    std::size_t bytes = 0;
    const int done =
        SSL_read_ex(ssl_, into.data() + result.bytes, into.size() - result.bytes, &bytes);
    if (done != 1) {
      result.want = why(done);
      break;
    }
    result.bytes += bytes;
    bio.set_room(into.size() - result.bytes);
    if (bio.input() == 0 && SSL_has_pending(ssl_) == 0) {
      if (wire_.drained()) {
        result.want = Want::kRead;  // as the next SSL_read would find out in a longer way
        break;
      }
      if (into.size() - result.bytes < kMaxRecord) {
        break;  // enough to go on with: what little fits is not worth a recv()
      }
    }
  }
  // Session tickets go on waiting for our next words, unless reading made us say something.
  bio.detach(held_back > 0 && bio.output() == held_back ? SharedBio::Rest::kHoldBack
                                                        : SharedBio::Rest::kSend);
  const std::size_t unsent_after = wire_.unsent();
  said_reading_ = unsent_after == 0
                      ? 0
                      : said_reading_ + static_cast<std::uint32_t>(unsent_after - unsent_before);
  more_inside_ = result.want == Want::kNone;
  if (!more_inside_) {
    wire_.await_poll();
  }
  return result;
}

IoResult Transport::write(std::string_view from, bool end_follows) {
  if (shut_) {
    return {0, Want::kFailed};
  }
  switch (stage_) {
    case Stage::kPlain:
      return wire_.send(from, end_follows);
    case Stage::kRecords:
      return write_records(from, end_follows);
    default:
      return write_tls(from, end_follows);
  }
}

IoResult Transport::write_tls(std::string_view from, bool end_follows) {
  if (stage_ != Stage::kOpen || notified_close_) {
    return {0, Want::kFailed};
  }
  if (wire_.unsent() > 0) {
    if (const Want want = wire_.flush(); want != Want::kNone) {
      return {0, want};
    }
  }
  clear_errors();
  scratch_.bio_.attach(wire_, 0);
  IoResult result;
  while (result.bytes < from.size() && wire_.unsent() == 0 && !wire_.send_failed()) {
    std::size_t bytes = 0;
    const std::size_t size = std::min(from.size() - result.bytes, kGatherPlain);
    if (const int done = SSL_write_ex(ssl_, from.data() + result.bytes, size, &bytes); done != 1) {
      result.want = why(done);
      break;
    }
    result.bytes += bytes;
    if (result.bytes < from.size()) {
      scratch_.bio_.send();
    }
  }
  scratch_.bio_.detach(end_follows ? SharedBio::Rest::kSendBeforeEnd : SharedBio::Rest::kSend);
  if (wire_.send_failed()) {
    result.want = Want::kFailed;
  } else if (result.want == Want::kNone && wire_.unsent() > 0) {
    result.want = Want::kWrite;
  }
  return result;
}

IoResult Transport::flush() {
  return {0, wire_.flush()};
}

void Transport::push() {
  // tcp(7): "setting this option forces an explicit flush of pending output", also where it is set
  // already.
  const int on = 1;
  ::setsockopt(wire_.fd(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

IoResult Transport::splice_into(SplicePipe& pipe) {
  wire_.await_poll();
  return wire_.receive(pipe);
}

IoResult Transport::splice_from(SplicePipe& pipe) {
  if (shut_) {
    return {0, Want::kFailed};
  }
  return wire_.send(pipe);
}

IoResult Transport::shutdown_write() {
  if (shut_) {
    return {0, Want::kNone};
  }
  if (stage_ == Stage::kOpen && !notified_close_) {
    notified_close_ = true;
    clear_errors();
    scratch_.bio_.attach(wire_, 0);
    SSL_shutdown(ssl_);
    scratch_.bio_.detach(SharedBio::Rest::kSendBeforeEnd);
  }
  if (stage_ == Stage::kRecords && !notified_close_) {
    notified_close_ = true;
    scratch_.bio_.attach(wire_, 0);
    seal_alert();
    scratch_.bio_.detach(SharedBio::Rest::kSendBeforeEnd);
  }
  if (const Want want = wire_.flush(); want != Want::kNone) {
    return {0, want};
  }
  shut_ = true;
  if (::shutdown(wire_.fd(), SHUT_WR) != 0) {
    wire_.set_error(errno);
    return {0, Want::kFailed};
  }
  return {0, Want::kNone};
}

bool Transport::truncated() const {
  if (records_ != nullptr) {
    return wire_.end_of_file() && !records_->closed();
  }
  return ssl_ != nullptr && wire_.end_of_file() &&
         (SSL_get_shutdown(ssl_) & SSL_RECEIVED_SHUTDOWN) == 0;
}

std::string Transport::error() const {
  if (tls_error_ != 0) {
    const long verdict = SSL_get_verify_result(ssl_);
    if (ERR_GET_REASON(tls_error_) == SSL_R_CERTIFICATE_VERIFY_FAILED && verdict != X509_V_OK) {
      return fmt::format("certificate verify failed: {}", X509_verify_cert_error_string(verdict));
    }
    return describe_tls_error(tls_error_);
  }
  if (records_ != nullptr && records_->error() != nullptr) {
    return records_->error();
  }
  if (wire_.error() != 0) {
    return std::strerror(wire_.error());
  }
  if (truncated()) {
    return stage_ == Stage::kOpen || stage_ == Stage::kRecords
               ? "connection ended without TLS close_notify"
               : "connection ended during the TLS handshake";
  }
  return {};
}

std::string_view Transport::tls_version() const {
  if (records_ != nullptr) {
    return "TLSv1.3";
  }
  return ssl_ != nullptr ? SSL_get_version(ssl_) : std::string_view();
}

std::string_view Transport::tls_cipher() const {
  if (records_ != nullptr) {
    return records_->cipher();
  }
  const char* name = ssl_ != nullptr ? SSL_get_cipher_name(ssl_) : nullptr;
  return name != nullptr ? name : std::string_view();
}

std::string_view Transport::server_name() const {
  const char* name =
      ssl_ != nullptr ? SSL_get_servername(ssl_, TLSEXT_NAMETYPE_host_name) : nullptr;
  return name != nullptr ? name : std::string_view();
}

ChannelBindings Transport::channel_bindings() const {
  return stage_ == Stage::kOpen && SSL_is_server(ssl_) == 1 ? net::channel_bindings(ssl_)
                                                            : ChannelBindings{};
}

std::shared_ptr<const CertificateNames> Transport::client_certificate() const {
  // Only a server asks for one by this mode, and OpenSSL's verdict is also "well" without any.
  if (ssl_ == nullptr || SSL_is_server(ssl_) == 0 ||
      (SSL_get_verify_mode(ssl_) & SSL_VERIFY_PEER) == 0 ||
      SSL_get_verify_result(ssl_) != X509_V_OK) {
    return nullptr;
  }
  // A session that was taken up may be older than the end of its certificate.
  const X509* certificate = SSL_get0_peer_certificate(ssl_);
  if (certificate == nullptr || X509_cmp_current_time(X509_get0_notAfter(certificate)) <= 0) {
    return nullptr;
  }
  return std::make_shared<const CertificateNames>(names_of(certificate));
}

std::shared_ptr<const UnverifiedCertificate> Transport::unverified_client_certificate() const {
  if (ssl_ == nullptr || SSL_is_server(ssl_) == 0 || stage_ != Stage::kOpen ||
      (SSL_get_verify_mode(ssl_) & SSL_VERIFY_PEER) == 0) {
    return nullptr;
  }
  const long verdict = SSL_get_verify_result(ssl_);
  const X509* certificate = SSL_get0_peer_certificate(ssl_);
  if (verdict == X509_V_OK || certificate == nullptr) {
    return nullptr;
  }
  return std::make_shared<const UnverifiedCertificate>(
      UnverifiedCertificate{text_of(certificate), X509_verify_cert_error_string(verdict)});
}

bool Transport::tls_resumed() const {
  return records_ != nullptr ? records_->resumed()
                             : ssl_ != nullptr && SSL_session_reused(ssl_) == 1;
}

}  // namespace headgate::net
