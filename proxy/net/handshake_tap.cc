#include "net/handshake_tap.h"

#include <openssl/ssl.h>

#include <algorithm>
#include <new>
#include <string_view>

#include "base/secret.h"
#include "net/crypto_library.h"

namespace headgate::net {
namespace {

// RFC 8446 section 4: HandshakeType.
constexpr unsigned char kKeyUpdate = 24;

// Marks the contexts that prepare() has seen.
int context_index() {
  static const int index = SSL_CTX_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
  return index;
}

thread_local HandshakeTap* listening = nullptr;

}  // namespace

TrafficSecret::~TrafficSecret() {
  wipe(bytes.data(), bytes.size());
}

struct HandshakeTap::Callbacks {
  static void on_message(int written, int, int type, const void* bytes, std::size_t size, SSL*,
                         void* self) {
    auto* tap = static_cast<HandshakeTap*>(self);
    if (type == SSL3_RT_HEADER) {
      ++(written != 0 ? tap->ours : tap->theirs).records;
    } else if (type == SSL3_RT_HANDSHAKE && size > 0 &&
               *static_cast<const unsigned char*>(bytes) == kKeyUpdate) {
      tap->updated_ = true;
    }
  }
};

HandshakeTap::Listening::Listening(HandshakeTap* tap) {
  listening = tap;
}

HandshakeTap::Listening::~Listening() {
  listening = nullptr;
}

void HandshakeTap::hear(std::span<const unsigned char> label,
                        std::span<const unsigned char> secret) {
  if (listening == nullptr) {
    return;
  }
  const std::string_view name(reinterpret_cast<const char*>(label.data()), label.size());
  const bool of_client = name == "c ap traffic";
  if (!of_client && name != "s ap traffic") {
    return;
  }
  TrafficSecret& into = of_client == listening->server_ ? listening->theirs : listening->ours;
  into.size = secret.size() <= into.bytes.size() ? secret.size() : 0;
  std::copy_n(secret.begin(), into.size, into.bytes.begin());
  into.records = 0;
}

void HandshakeTap::prepare(ssl_ctx_st* context) {
  if (key_schedule_is_ours()) {
    static char mark;
    SSL_CTX_set_ex_data(context, context_index(), &mark);
  }
}

std::unique_ptr<HandshakeTap> HandshakeTap::attach(ssl_st* ssl) {
  if (SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), context_index()) == nullptr) {
    return nullptr;
  }
  std::unique_ptr<HandshakeTap> tap(new (std::nothrow) HandshakeTap);
  if (tap != nullptr) {
    tap->server_ = SSL_is_server(ssl) == 1;
    SSL_set_msg_callback(ssl, &Callbacks::on_message);
    SSL_set_msg_callback_arg(ssl, tap.get());
  }
  return tap;
}

}  // namespace headgate::net
