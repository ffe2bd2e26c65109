#include "net/handshake_tap.h"

#include <openssl/ssl.h>

#include <new>
#include <string_view>

#include "base/secret.h"

namespace headgate::net {
namespace {

// RFC 8446 section 4: HandshakeType.
constexpr unsigned char kKeyUpdate = 24;

int tap_index() {
  static const int index = SSL_get_ex_new_index(0, nullptr, nullptr, nullptr, nullptr);
  return index;
}

int digit(char c) {
  if (c >= '0' && c <= '9') {
    return c - '0';
  }
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

// False when it is not the hexadecimal form of a secret.
bool decode(std::string_view hex, TrafficSecret& into) {
  if (hex.size() % 2 != 0 || hex.size() / 2 > into.bytes.size() || hex.empty()) {
    return false;
  }
  for (std::size_t i = 0; i < hex.size() / 2; ++i) {
    const int high = digit(hex[2 * i]);
    const int low = digit(hex[2 * i + 1]);
    if (high < 0 || low < 0) {
      return false;
    }
    into.bytes[i] = static_cast<unsigned char>(high << 4 | low);
  }
  into.size = hex.size() / 2;
  into.records = 0;
  return true;
}

}  // namespace

TrafficSecret::~TrafficSecret() {
  wipe(bytes.data(), bytes.size());
}

struct HandshakeTap::Callbacks {
  // "LABEL CLIENT_RANDOM SECRET", when OpenSSL takes the secret into use; OpenSSL wipes the line.
  static void on_secret(const SSL* ssl, const char* text) {
    auto* tap = static_cast<HandshakeTap*>(SSL_get_ex_data(ssl, tap_index()));
    if (tap == nullptr) {
      return;
    }
    const std::string_view line(text);
    const bool of_client = line.starts_with("CLIENT_TRAFFIC_SECRET_0 ");
    if (!of_client && !line.starts_with("SERVER_TRAFFIC_SECRET_0 ")) {
      return;
    }
    TrafficSecret& secret = of_client == tap->server_ ? tap->theirs : tap->ours;
    if (!decode(line.substr(line.rfind(' ') + 1), secret)) {
      secret.size = 0;
    }
  }

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

void HandshakeTap::prepare(ssl_ctx_st* context) {
  // From 3.2 on OpenSSL's record layer is another one, with which this has not been tried.
  if (OpenSSL_version_num() < 0x30200000UL) {
    SSL_CTX_set_keylog_callback(context, &Callbacks::on_secret);
  }
}

std::unique_ptr<HandshakeTap> HandshakeTap::attach(ssl_st* ssl) {
  std::unique_ptr<HandshakeTap> tap(new (std::nothrow) HandshakeTap);
  if (tap != nullptr) {
    tap->server_ = SSL_is_server(ssl) == 1;
    SSL_set_ex_data(ssl, tap_index(), tap.get());
    SSL_set_msg_callback(ssl, &Callbacks::on_message);
    SSL_set_msg_callback_arg(ssl, tap.get());
  }
  return tap;
}

void HandshakeTap::release(ssl_st* ssl) {
  SSL_set_ex_data(ssl, tap_index(), nullptr);
  SSL_set_msg_callback(ssl, nullptr);
}

}  // namespace headgate::net
