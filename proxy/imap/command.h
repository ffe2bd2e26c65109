#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace headgate::imap {

// The commands of the not-authenticated state.
enum class Command : std::uint8_t {
  kCapability,
  kNoop,
  kLogout,
  kId,
  kEnable,
  kStartTls,
  kLogin,
  kAuthenticate,
  kUnknown,  // any other atom: of the authenticated state, or of no state
};
inline constexpr std::size_t kCommandCount = 9;

// A command line cut at its first two spaces. Everything is borrowed from the text.
struct CommandLine {
  std::string_view tag;      // empty: the text begins with no valid tag
  bool well_formed = false;  // tag, one space, an atom, and then the end or a space
  Command command = Command::kUnknown;
  std::string_view arguments;  // from the space behind the command on; empty: none
};

CommandLine split_command(std::string_view text);

}  // namespace headgate::imap
