#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <vector>

namespace headgate::net {

// Relay buffers of a worker, last returned first handed out (it is hot in the cache). A session
// holds one only while bytes are in flight.
class BufferPool {
 public:
  // `size`: bytes of each buffer; `keep`: how many free ones stay allocated.
  BufferPool(std::size_t size, std::size_t keep);
  ~BufferPool();

  class Deleter {
   public:
    explicit Deleter(BufferPool* pool = nullptr) : pool_(pool) {}
    void operator()(char* bytes) const;

   private:
    BufferPool* pool_;
  };
  using Buffer = std::unique_ptr<char[], Deleter>;

  Buffer take();
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] std::size_t in_use() const { return in_use_; }
  [[nodiscard]] std::size_t free() const { return free_.size(); }

 private:
  void give_back(char* bytes);

  std::size_t size_;
  std::size_t keep_;
  std::size_t in_use_ = 0;
  std::vector<char*> free_;
};

}  // namespace headgate::net
