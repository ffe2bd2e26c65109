#pragma once

#include <cstddef>
#include <mutex>
#include <string_view>

#include "net/digest.h"
#include "proof/scram_keys.h"

namespace headgate::proof {

// Salts that nobody has stored: for users who are not there or have nothing that SCRAM could use,
// so that they look like others do (RFC 5802 section 9), and for passwords in the clear. A user's
// salt stays the same as long as the process lives. One for all workers, any thread.
class ScramDecoys {
 public:
  // What the first message to a client tells of stored keys.
  struct Shape {
    unsigned iterations = ScramKeys::kFewestIterations;
    std::size_t salt = kSalt;  // bytes
    bool clear = false;        // made from a password in the clear, which takes a while
  };
  static constexpr std::size_t kSalt = 16;  // as Dovecot has it

  // `user` without regard to the case of ASCII letters, as most databases compare names.
  [[nodiscard]] Secret salt(net::Digest digest, std::string_view user, std::size_t bytes) const;
  // Keys that no password has.
  [[nodiscard]] ScramKeys keys(net::Digest digest, std::string_view user) const;

  // What is stored of somebody; the first one is what all that nobody has stored look like.
  void note(net::Digest digest, const Shape& shape);
  [[nodiscard]] Shape typical(net::Digest digest) const;

 private:
  struct Seen {
    Shape shape;
    bool any = false;
  };
  [[nodiscard]] Secret bytes(std::string_view what, net::Digest digest, std::string_view user,
                             std::size_t count) const;

  const net::Key key_ = net::random_key();
  mutable std::mutex mutex_;
  Seen sha1_;  // guarded by mutex_, as is the next
  Seen sha256_;
};

}  // namespace headgate::proof
