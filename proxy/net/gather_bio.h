#pragma once

#include <cstddef>
#include <memory>
#include <string_view>

#include "net/wire.h"

struct bio_st;

namespace headgate::net {

// Plain text that is encrypted before one send(): what fits the gathering buffer as full records.
inline constexpr std::size_t kGatherPlain = 16 * 16384;

// The BIO between OpenSSL and a Wire; one of it serves all connections of a worker, since it has
// no state between two calls of OpenSSL: attach() before them, detach() after them.
//
// Reading passes through to recv(). Writing never fails and never blocks: records are gathered in
// one buffer and leave with one send() at detach(), and what the kernel does not take stays with
// the Wire. So SSL_write always takes everything and never has to be repeated with the same bytes.
class GatherBio {
 public:
  GatherBio();
  ~GatherBio();
  GatherBio(const GatherBio&) = delete;
  GatherBio& operator=(const GatherBio&) = delete;

  // A new reference, for SSL_set_bio.
  bio_st* reference();

  void attach(Wire& wire);
  // Sends what is gathered so far.
  void send();
  // Sends the rest, or leaves it with the wire until its next bytes go.
  enum class Rest { kSend, kHoldBack };
  void detach(Rest rest = Rest::kSend);

 private:
  struct Callbacks;
  void gather(std::string_view bytes);

  bio_st* bio_;
  Wire* wire_ = nullptr;
  std::unique_ptr<char[]> buffer_;
  std::size_t used_ = 0;
};

}  // namespace headgate::net
