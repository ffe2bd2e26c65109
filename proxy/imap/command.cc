#include "imap/command.h"

#include <iterator>

#include "imap/syntax.h"

namespace headgate::imap {

namespace {

struct Row {
  Command command;
  std::string_view name;
};
constexpr Row kCommands[] = {
    {Command::kCapability, "CAPABILITY"}, {Command::kNoop, "NOOP"},
    {Command::kLogout, "LOGOUT"},         {Command::kId, "ID"},
    {Command::kEnable, "ENABLE"},         {Command::kStartTls, "STARTTLS"},
    {Command::kLogin, "LOGIN"},           {Command::kAuthenticate, "AUTHENTICATE"},
};
static_assert(std::size(kCommands) + 1 == kCommandCount, "all but kUnknown have a name");

}  // namespace

CommandLine split_command(std::string_view text) {
  CommandLine line;
  // A tag is looked for no further than it may reach.
  const std::size_t tag_end = text.substr(0, kMaxTag + 1).find(' ');
  const std::string_view tag = text.substr(0, tag_end);
  if (!is_tag(tag)) {
    return line;
  }
  line.tag = tag;
  if (tag_end == text.npos) {
    return line;
  }
  text.remove_prefix(tag_end + 1);
  const std::size_t name_end = text.find(' ');
  const std::string_view name = text.substr(0, name_end);
  line.well_formed = is_atom(name);
  if (name_end != text.npos) {
    line.arguments = text.substr(name_end);
  }
  for (const Row& row : kCommands) {
    if (equals_ignoring_case(name, row.name)) {
      line.command = row.command;
    }
  }
  return line;
}

}  // namespace headgate::imap
