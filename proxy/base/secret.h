#pragma once

#include <cstddef>
#include <memory>
#include <string_view>

namespace headgate {

// Bytes that must not outlive their use: passwords, tokens, and the lines that carry them.
// Every byte that leaves the object (growth, consume, clear, destruction, being moved from) is
// overwritten first. Move-only; a copy has to be asked for by name. Never given to a logger: there
// is no stream operator and no formatter.
class Secret {
 public:
  Secret() = default;
  explicit Secret(std::string_view bytes) { append(bytes); }
  Secret(Secret&& other) noexcept;
  Secret& operator=(Secret&& other) noexcept;
  Secret(const Secret&) = delete;
  Secret& operator=(const Secret&) = delete;
  ~Secret();

  [[nodiscard]] Secret clone() const { return Secret(view()); }
  // Borrowed; invalid after any non-const call.
  [[nodiscard]] std::string_view view() const { return {bytes_.get() + begin_, size_}; }
  [[nodiscard]] bool empty() const { return size_ == 0; }
  [[nodiscard]] std::size_t size() const { return size_; }

  void append(std::string_view bytes);
  void append(char byte) { append(std::string_view(&byte, 1)); }
  // Wipes and drops the first `count` bytes; `count` must not exceed size(). Constant time for
  // the bytes that stay.
  void consume(std::size_t count);
  // Wipes everything and gives the memory back.
  void clear();

  // Takes time that depends on the lengths alone.
  [[nodiscard]] bool equals(std::string_view other) const;

 private:
  void reserve(std::size_t wanted);

  std::unique_ptr<char[]> bytes_;
  std::size_t capacity_ = 0;
  std::size_t begin_ = 0;
  std::size_t size_ = 0;
};

// Overwrites memory in a way the compiler may not remove.
void wipe(void* memory, std::size_t size) noexcept;

}  // namespace headgate
