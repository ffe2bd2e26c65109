#include "net/buffer_pool.h"

namespace headgate::net {

BufferPool::BufferPool(std::size_t size, std::size_t keep) : size_(size), keep_(keep) {
  free_.reserve(keep);
}

BufferPool::~BufferPool() {
  for (char* bytes : free_) {
    delete[] bytes;
  }
}

void BufferPool::Deleter::operator()(char* bytes) const {
  pool_->give_back(bytes);
}

BufferPool::Buffer BufferPool::take() {
  ++in_use_;
  if (free_.empty()) {
    return Buffer(new char[size_], Deleter(this));
  }
  char* bytes = free_.back();
  free_.pop_back();
  return Buffer(bytes, Deleter(this));
}

void BufferPool::give_back(char* bytes) {
  --in_use_;
  if (free_.size() < keep_) {
    free_.push_back(bytes);
  } else {
    delete[] bytes;
  }
}

}  // namespace headgate::net
