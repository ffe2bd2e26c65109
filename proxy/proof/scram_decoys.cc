#include "proof/scram_decoys.h"

#include <algorithm>
#include <string>

#include "base/ascii.h"

namespace headgate::proof {

Secret ScramDecoys::bytes(std::string_view what, net::Digest digest, std::string_view user,
                          std::size_t count) const {
  const std::string name = lower_case(user);
  Secret result;
  for (char part = '0'; result.size() < count; ++part) {
    const net::Key hash =
        net::keyed_hash(key_, {what, scram_name(digest), name, std::string_view(&part, 1)});
    const std::size_t wanted = std::min(hash.size(), count - result.size());
    result.append({reinterpret_cast<const char*>(hash.data()), wanted});
  }
  return result;
}

Secret ScramDecoys::salt(net::Digest digest, std::string_view user,
                         std::size_t bytes_wanted) const {
  return bytes("salt", digest, user, bytes_wanted);
}

ScramKeys ScramDecoys::keys(net::Digest digest, std::string_view user) const {
  const Shape shape = typical(digest);
  const std::size_t length = net::size(digest);
  return {.digest = digest,
          .iterations = shape.iterations,
          .salt = salt(digest, user, shape.salt),
          .stored_key = bytes("stored key", digest, user, length),
          .server_key = bytes("server key", digest, user, length)};
}

void ScramDecoys::note(net::Digest digest, const Shape& shape) {
  const std::lock_guard lock(mutex_);
  Seen& seen = digest == net::Digest::kSha1 ? sha1_ : sha256_;
  if (!seen.any) {
    seen = {shape, true};
  }
}

ScramDecoys::Shape ScramDecoys::typical(net::Digest digest) const {
  const std::lock_guard lock(mutex_);
  return (digest == net::Digest::kSha1 ? sha1_ : sha256_).shape;
}

}  // namespace headgate::proof
