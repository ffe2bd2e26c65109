#include "imap/syntax.h"

#include <algorithm>
#include <array>
#include <cstdint>

namespace headgate::imap {

namespace {

enum Class : std::uint8_t { kAtom = 1, kAstring = 2, kTag = 4 };

constexpr std::array<std::uint8_t, 256> make_classes() {
  constexpr std::string_view kAtomSpecials = "(){%*\"\\] ";
  std::array<std::uint8_t, 256> classes{};
  for (unsigned byte = 0x21; byte < 0x7f; ++byte) {
    if (!kAtomSpecials.contains(static_cast<char>(byte))) {
      classes[byte] = kAtom | kAstring | kTag;
    }
  }
  classes[']'] = kAstring | kTag;
  classes['+'] = kAtom | kAstring;
  return classes;
}
constexpr std::array<std::uint8_t, 256> kClasses = make_classes();

bool is(Class wanted, char byte) {
  return (kClasses[static_cast<std::uint8_t>(byte)] & wanted) != 0;
}

}  // namespace

bool is_atom_char(char byte) {
  return is(kAtom, byte);
}
bool is_astring_char(char byte) {
  return is(kAstring, byte);
}
bool is_tag_char(char byte) {
  return is(kTag, byte);
}

bool is_atom(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), is_atom_char);
}

bool is_tag(std::string_view text) {
  return !text.empty() && text.size() <= kMaxTag &&
         std::all_of(text.begin(), text.end(), is_tag_char);
}

bool starts_with_ignoring_case(std::string_view text, std::string_view prefix) {
  return equals_ignoring_case(text.substr(0, prefix.size()), prefix);
}

}  // namespace headgate::imap
