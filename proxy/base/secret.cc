#include "base/secret.h"

#include <string.h>

#include <algorithm>
#include <cassert>
#include <utility>

namespace headgate {

namespace {
constexpr std::size_t kSmallest = 64;
}

Secret::Secret(Secret&& other) noexcept
    : bytes_(std::move(other.bytes_)),
      capacity_(std::exchange(other.capacity_, 0)),
      begin_(std::exchange(other.begin_, 0)),
      size_(std::exchange(other.size_, 0)) {}

Secret& Secret::operator=(Secret&& other) noexcept {
  if (this != &other) {
    clear();
    bytes_ = std::move(other.bytes_);
    capacity_ = std::exchange(other.capacity_, 0);
    begin_ = std::exchange(other.begin_, 0);
    size_ = std::exchange(other.size_, 0);
  }
  return *this;
}

Secret::~Secret() {
  clear();
}

void Secret::append(std::string_view bytes) {
  if (bytes.empty()) {
    return;
  }
  reserve(size_ + bytes.size());
  std::copy(bytes.begin(), bytes.end(), bytes_.get() + begin_ + size_);
  size_ += bytes.size();
}

void Secret::consume(std::size_t count) {
  assert(count <= size_);
  wipe(bytes_.get() + begin_, count);
  begin_ += count;
  size_ -= count;
  if (size_ == 0) {
    begin_ = 0;
  }
}

void Secret::clear() {
  // What consume() and reserve() left behind is wiped already.
  wipe(bytes_.get() + begin_, size_);
  bytes_.reset();
  capacity_ = begin_ = size_ = 0;
}

bool Secret::equals(std::string_view other) const {
  if (size_ != other.size()) {
    return false;
  }
  const std::string_view own = view();
  unsigned char difference = 0;
  for (std::size_t i = 0; i < own.size(); ++i) {
    difference |= static_cast<unsigned char>(own[i] ^ other[i]);
  }
  return difference == 0;
}

void Secret::reserve(std::size_t wanted) {
  if (begin_ + wanted <= capacity_) {
    return;
  }
  // Half empty: moving down is cheaper than growing, and keeps a buffer that is filled and consumed
  // in turns from growing for ever.
  if (wanted <= capacity_ / 2) {
    std::copy_n(bytes_.get() + begin_, size_, bytes_.get());
    wipe(bytes_.get() + std::max(begin_, size_), begin_ + size_ - std::max(begin_, size_));
    begin_ = 0;
    return;
  }
  const std::size_t capacity = std::max({kSmallest, wanted, capacity_ * 2});
  std::unique_ptr<char[]> grown(new char[capacity]);
  std::copy_n(bytes_.get() + begin_, size_, grown.get());
  wipe(bytes_.get() + begin_, size_);
  bytes_ = std::move(grown);
  capacity_ = capacity;
  begin_ = 0;
}

void wipe(void* memory, std::size_t size) noexcept {
  if (size != 0) {
    explicit_bzero(memory, size);
  }
}

}  // namespace headgate
