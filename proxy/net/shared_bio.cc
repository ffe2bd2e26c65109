#include "net/shared_bio.h"

#include <openssl/bio.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>

namespace headgate::net {
namespace {

// What kGatherPlain becomes: header, TLS 1.3 content type and tag (or TLS 1.2's nonce or CBC
// padding) of each record, and some handshake bytes held back before them.
constexpr std::size_t kOutputSize = kGatherPlain + kGatherPlain / kMaxRecord * 96 + 4096;
// A record of full size with its header and the most overhead TLS 1.2 allows.
constexpr std::size_t kMinReceive = kMaxRecord + 2048 + 5;

}  // namespace

struct SharedBio::Callbacks {
  static int read(BIO* bio, char* into, std::size_t size, std::size_t* bytes) {
    BIO_clear_retry_flags(bio);
    *bytes = 0;
    SharedBio& shared = self(bio);
    if (shared.input() == 0) {
      const Want want = shared.receive();
      // A FIN without close_notify is given as "later" as well: the owner sees Wire::end_of_file()
      // and decides; OpenSSL would take it for fatal and make writing impossible.
      if (want == Want::kRead || want == Want::kClosed) {
        BIO_set_retry_read(bio);
      }
      if (want != Want::kNone) {
        return 0;
      }
    }
    *bytes = std::min(size, shared.input());
    std::memcpy(into, shared.input_.get() + shared.input_begin_, *bytes);
    shared.input_begin_ += *bytes;
    return 1;
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
        return self(bio).input() == 0 && self(bio).wire_->end_of_file() ? 1 : 0;
      default:
        return 0;
    }
  }

  static SharedBio& self(BIO* bio) { return *static_cast<SharedBio*>(BIO_get_data(bio)); }

  static BIO_METHOD* method() {
    static BIO_METHOD* const method = [] {
      BIO_METHOD* made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "shared");
      BIO_meth_set_read_ex(made, &Callbacks::read);
      BIO_meth_set_write_ex(made, &Callbacks::write);
      BIO_meth_set_ctrl(made, &Callbacks::control);
      return made;
    }();
    return method;
  }
};

SharedBio::SharedBio()
    : bio_(BIO_new(Callbacks::method())),
      output_(std::make_unique_for_overwrite<char[]>(kOutputSize)),
      input_(std::make_unique_for_overwrite<char[]>(kReceiveSize)) {
  if (bio_ == nullptr) {
    std::abort();  // out of memory before the first connection
  }
  BIO_set_data(bio_, this);
  BIO_set_init(bio_, 1);
}

SharedBio::~SharedBio() {
  BIO_free(bio_);
}

bio_st* SharedBio::reference() {
  BIO_up_ref(bio_);
  return bio_;
}

void SharedBio::attach(Wire& wire, std::size_t room) {
  wire_ = &wire;
  room_ = room;
  output_size_ = wire.held_back() <= kOutputSize ? wire.take_held_back(output_.get()) : 0;
  input_begin_ = 0;
  input_end_ = wire.take_input(input_.get());
}

Want SharedBio::receive() {
  // Not much more than the caller has room for, so that little is left over; but a full record.
  const std::size_t size = std::clamp(room_, kMinReceive, kReceiveSize);
  const IoResult result = wire_->receive({input_.get(), size});
  input_begin_ = 0;
  input_end_ = result.bytes;
  return result.want;
}

Want SharedBio::receive_more() {
  // The beginning of a record, mostly.
  std::memmove(input_.get(), input_.get() + input_begin_, input());
  input_end_ = input();
  input_begin_ = 0;
  const std::size_t size = std::clamp(room_, kMinReceive, kReceiveSize) - input_end_;
  const IoResult result = wire_->receive({input_.get() + input_end_, size});
  input_end_ += result.bytes;
  return result.want;
}

char* SharedBio::space(std::size_t size) {
  if (output_size_ + size > kOutputSize) {
    send();
  }
  return output_.get() + output_size_;
}

void SharedBio::gather(std::string_view bytes) {
  if (output_size_ + bytes.size() > kOutputSize) {
    send();
    if (bytes.size() > kOutputSize) {
      wire_->send_or_keep(bytes, false);
      return;
    }
  }
  std::memcpy(output_.get() + output_size_, bytes.data(), bytes.size());
  output_size_ += bytes.size();
}

void SharedBio::send() {
  wire_->send_or_keep({output_.get(), output_size_}, false);
  output_size_ = 0;
}

void SharedBio::detach(Rest rest) {
  if (rest == Rest::kHoldBack) {
    wire_->hold_back({output_.get(), output_size_});
    output_size_ = 0;
  } else {
    wire_->send_or_keep({output_.get(), output_size_}, rest == Rest::kSendBeforeEnd);
    output_size_ = 0;
  }
  wire_->keep_input({input_.get() + input_begin_, input()});
  wire_ = nullptr;
}

}  // namespace headgate::net
