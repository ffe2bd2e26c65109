#pragma once

#include <string>
#include <string_view>
#include <utility>

namespace headgate::imap {

// What a server says that it can do: capabilities separated by spaces, in their order.
class CapabilityList {
 public:
  CapabilityList() = default;
  // Takes what follows the word CAPABILITY. Bytes that are no text and surplus spaces are dropped.
  explicit CapabilityList(std::string_view text);

  [[nodiscard]] bool empty() const { return text_.empty(); }
  // Without regard to case, whole names only: "AUTH=PLAIN", "LITERAL+".
  [[nodiscard]] bool has(std::string_view capability) const;
  void add(std::string_view capability);  // at the end; nothing when it is there already
  void remove(std::string_view capability);
  [[nodiscard]] const std::string& text() const { return text_; }

 private:
  // Where the capability stands in text_, with its length; npos when it does not.
  [[nodiscard]] std::size_t find(std::string_view capability) const;

  std::string text_;
};

}  // namespace headgate::imap
