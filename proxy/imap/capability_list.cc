#include "imap/capability_list.h"

#include "imap/syntax.h"

namespace headgate::imap {

CapabilityList::CapabilityList(std::string_view text) {
  text_.reserve(text.size());
  for (const char byte : text) {
    if (byte == ' ') {
      if (!text_.empty() && text_.back() != ' ') {
        text_ += ' ';
      }
    } else if (is_astring_char(byte)) {
      text_ += byte;
    }
  }
  if (text_.ends_with(' ')) {
    text_.pop_back();
  }
}

bool CapabilityList::has(std::string_view capability) const {
  return find(capability) != std::string::npos;
}

void CapabilityList::add(std::string_view capability) {
  if (capability.empty() || has(capability)) {
    return;
  }
  if (!text_.empty()) {
    text_ += ' ';
  }
  text_ += capability;
}

void CapabilityList::remove(std::string_view capability) {
  const std::size_t at = find(capability);
  if (at == std::string::npos) {
    return;
  }
  // With the space behind it, or before it at the end.
  const bool last = at + capability.size() == text_.size();
  text_.erase(last && at > 0 ? at - 1 : at, capability.size() + 1);
}

std::size_t CapabilityList::find(std::string_view capability) const {
  const std::string_view all = text_;
  for (std::size_t at = 0; at < all.size() && !capability.empty();) {
    const std::string_view word = all.substr(at, all.find(' ', at) - at);
    if (equals_ignoring_case(word, capability)) {
      return at;
    }
    at += word.size() + 1;
  }
  return std::string::npos;
}

}  // namespace headgate::imap
