#pragma once

#include <cstddef>
#include <cstdint>

namespace headgate::net {

enum class Want : std::uint8_t {
  kNone,    // done as asked
  kRead,    // come back when readable
  kWrite,   // come back when writable
  kClosed,  // the peer ended in order (close_notify, or FIN on a plain connection)
  kFailed,  // the connection is broken; error() says how
};

struct IoResult {
  std::size_t bytes = 0;
  Want want = Want::kNone;
};

}  // namespace headgate::net
