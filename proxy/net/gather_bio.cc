#include "net/gather_bio.h"

#include <openssl/bio.h>

#include <cstdlib>
#include <cstring>

namespace headgate::net {
namespace {

// 16 records with header, TLS 1.3 content type and tag (or TLS 1.2's nonce or CBC padding), and
// some handshake bytes held back before them.
constexpr std::size_t kBufferSize = kGatherPlain + kGatherPlain / 16384 * 96 + 4096;

}  // namespace

struct GatherBio::Callbacks {
  static int read(BIO* bio, char* into, std::size_t size, std::size_t* bytes) {
    BIO_clear_retry_flags(bio);
    *bytes = 0;
    const IoResult result = self(bio).wire_->receive({into, size});
    // A FIN without close_notify is given as "later" as well: the owner sees Wire::end_of_file()
    // and decides; OpenSSL would take it for fatal and make writing impossible.
    if (result.want == Want::kRead || result.want == Want::kClosed) {
      BIO_set_retry_read(bio);
      return 0;
    }
    *bytes = result.bytes;
    return result.bytes > 0 ? 1 : 0;
  }

  static int write(BIO* bio, const char* from, std::size_t size, std::size_t* bytes) {
    BIO_clear_retry_flags(bio);
    self(bio).gather({from, size});
    *bytes = size;
    return 1;
  }

  static long control(BIO* bio, int command, long, void*) {
    switch (command) {
      case BIO_CTRL_FLUSH:
        return 1;
      case BIO_CTRL_EOF:  // OpenSSL 3.2 and later insist on the truth
        return self(bio).wire_->end_of_file() ? 1 : 0;
      default:
        return 0;
    }
  }

  static GatherBio& self(BIO* bio) { return *static_cast<GatherBio*>(BIO_get_data(bio)); }

  static BIO_METHOD* method() {
    static BIO_METHOD* const method = [] {
      BIO_METHOD* made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "gather");
      BIO_meth_set_read_ex(made, &Callbacks::read);
      BIO_meth_set_write_ex(made, &Callbacks::write);
      BIO_meth_set_ctrl(made, &Callbacks::control);
      return made;
    }();
    return method;
  }
};

GatherBio::GatherBio()
    : bio_(BIO_new(Callbacks::method())),
      buffer_(std::make_unique_for_overwrite<char[]>(kBufferSize)) {
  if (bio_ == nullptr) {
    std::abort();  // out of memory before the first connection
  }
  BIO_set_data(bio_, this);
  BIO_set_init(bio_, 1);
}

GatherBio::~GatherBio() {
  BIO_free(bio_);
}

bio_st* GatherBio::reference() {
  BIO_up_ref(bio_);
  return bio_;
}

void GatherBio::attach(Wire& wire) {
  wire_ = &wire;
  used_ = wire.held_back() <= kBufferSize ? wire.take_held_back(buffer_.get()) : 0;
}

void GatherBio::gather(std::string_view bytes) {
  if (used_ + bytes.size() > kBufferSize) {
    send();
    if (bytes.size() > kBufferSize) {
      wire_->send_or_keep(bytes);
      return;
    }
  }
  std::memcpy(buffer_.get() + used_, bytes.data(), bytes.size());
  used_ += bytes.size();
}

void GatherBio::send() {
  wire_->send_or_keep({buffer_.get(), used_});
  used_ = 0;
}

void GatherBio::detach(Rest rest) {
  if (rest == Rest::kHoldBack) {
    wire_->hold_back({buffer_.get(), used_});
    used_ = 0;
  } else {
    send();
  }
  wire_ = nullptr;
}

}  // namespace headgate::net
