#pragma once

#include <array>
#include <memory>
#include <string_view>

#include "net/buffer_pool.h"
#include "net/tls.h"
#include "net/transport.h"
#include "relay/relay.h"

namespace headgate::bench {

// A relay between a TLS client and a plain backend, both in this process, the handshake done. The
// client is a Transport as well; its work is not the relay's and happens outside relay().
class RelayUnderTls {
 public:
  RelayUnderTls();
  ~RelayUnderTls();
  RelayUnderTls(const RelayUnderTls&) = delete;
  RelayUnderTls& operator=(const RelayUnderTls&) = delete;

  [[nodiscard]] relay::Relay& relay() { return *relay_; }
  // What the far ends do before and after relay().run().
  void backend_says(std::string_view bytes) const;
  void backend_hears(std::size_t size);
  void client_says(std::string_view bytes);
  void client_hears(std::size_t size);

 private:
  void shake_hands(net::Transport& server);

  net::IoScratch near_scratch_;
  net::IoScratch far_scratch_;
  net::BufferPool buffers_{65'536, 4};
  net::SplicePipes pipes_;
  std::unique_ptr<net::ServerTls> server_tls_;
  std::unique_ptr<net::ClientTls> client_tls_;
  std::unique_ptr<net::Transport> client_;       // the far end
  std::unique_ptr<net::Transport> client_side_;  // the relay's end
  std::unique_ptr<net::Transport> backend_side_;
  std::unique_ptr<relay::Relay> relay_;
  int backend_ = -1;  // the far end
  std::array<char, 65'536> received_{};
};

// Ends the program with a message: a benchmark that does not do its work would be a fast one.
void require(bool condition, const char* what);

}  // namespace headgate::bench
