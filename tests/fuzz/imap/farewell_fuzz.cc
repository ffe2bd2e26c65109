// Whether a line of our own may follow: whatever the streams end with, never behind anything but a
// line end, and never when one byte more has come.
//
// Byte 0 chooses what is known to be whole, byte 1 how long the client's stream is; it comes first.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "imap/farewell.h"

using namespace headgate;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) {
    return 0;
  }
  const std::string_view in(reinterpret_cast<const char*>(data) + 2, size - 2);
  const std::string_view to_backend = in.substr(0, std::min<std::size_t>(data[1], in.size()));
  const std::string to_client(in.substr(to_backend.size()));
  const bool backend_whole = (data[0] & 1) != 0;
  const bool client_whole = (data[0] & 2) != 0;
  const bool speaks =
      imap::between_responses({to_backend, backend_whole}, {to_client, client_whole});
  if (speaks && !to_client.ends_with("\r\n")) {
    std::abort();
  }
  if (imap::between_responses({to_backend, backend_whole}, {to_client + "x", client_whole})) {
    std::abort();
  }
  // Who has asked for something that is not over hears nothing, whatever else is known.
  if (speaks && !to_backend.empty() && !to_backend.ends_with("\r\n")) {
    std::abort();
  }
  return 0;
}
