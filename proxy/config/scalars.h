#pragma once

#include <chrono>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/address.h"
#include "base/secret.h"
#include "base/url.h"
#include "config/type.h"

// The kinds of values that a key can have.
namespace headgate::config {

// Names that the file gives to things; they become metric labels and log fields.
inline constexpr std::string_view kNameExpected =
    "a name of letters, digits, '_', '-' and '.', at most 64";
bool is_name(std::string_view text);
Type<std::string> name_text();

// One line of printable text with at most `limit` bytes; `what` is its description: "a user name".
Type<std::string> text(std::string_view what, std::size_t limit = 255);
// Printable ASCII that does not begin with '[': what may stand behind "* OK " for a human.
Type<std::string> greeting_text();
// An IMAP atom (RFC 9051): a word of the capability list.
Type<std::string> capability();
// What follows '@'; kept in lower case.
Type<std::string> domain();
// A name that SRV records stand at: "_imaps._tcp.example.org"; kept in lower case.
Type<std::string> service_name();
// A regular expression; see pattern.h.
Type<std::string> pattern();

Type<bool> boolean();

// Whole numbers, both bounds included.
Type<unsigned> number(unsigned minimum, unsigned maximum);
Type<int> number(int minimum, int maximum);
Type<std::size_t> number(std::size_t minimum, std::size_t maximum);
// Hundredths of a per cent, written as 2%, 0.5% or 12.25%, up to 100%.
Type<unsigned> percentage();
// Per cent: 0, or a whole number from 100 to 1000.
Type<unsigned> load_bound();
// Bytes: a whole number, or one with the unit KiB or MiB.
Type<std::size_t> size(std::size_t minimum, std::size_t maximum);
// A whole number with its unit: 500ms, 30s, 31m, 2h.
Type<std::chrono::milliseconds> duration(std::chrono::milliseconds minimum,
                                         std::chrono::milliseconds maximum);
Type<std::chrono::seconds> duration(std::chrono::seconds minimum, std::chrono::seconds maximum);

Type<Endpoint> endpoint();   // port 0: any free one
Type<HostPort> host_port();  // no port 0
Type<SocketAddress> socket_address();
Type<LocalAddress> local_address();
// The bits of a file as chmod(1) takes them, of owner, group and others.
Type<unsigned> file_mode();
// One of several servers; see user_source.h.
Type<SqlHost> sql_host();
std::string to_string(const SqlHost& host);
Type<Network> network();
Type<Url> url();
// The name of a header that may go with a request: a token that HTTP itself does not use.
Type<std::string> header_name();

// A file that exists and can be read; kept as a path that does not depend on the folder of the
// configuration.
Type<std::string> file(std::string_view what);
// A file that need not exist, in a folder that can be written to; kept likewise.
Type<std::string> file_to_write(std::string_view what);
// A file of rules for source map (map_file.h), which is read.
Type<MapFile> map_file();
// The value itself, and the first line of a file that holds it.
Type<Secret> secret(std::string_view what = "a password");
Type<Secret> secret_file();

// Words, each with its meaning.
template <typename E>
using Choices = std::vector<std::pair<std::string_view, E>>;

std::string choices_expected(const std::vector<std::string_view>& words);
std::string choices_json(const std::vector<std::string_view>& words);

// The word for a meaning that has one.
template <typename E>
std::string_view word(const Choices<E>& choices, E wanted) {
  for (const auto& [text, meaning] : choices) {
    if (meaning == wanted) {
      return text;
    }
  }
  return "";
}

template <typename E>
Type<E> choice(Choices<E> choices) {
  std::vector<std::string_view> words;
  for (const auto& [word, meaning] : choices) {
    words.push_back(word);
  }
  TypeInfo info{Shape::kScalar, choices_expected(words), choices_json(words), nullptr, {}};
  auto read = [choices, expected = info.expected](Reader& reader, const Value& value, E& out) {
    if (!reader.enter(value)) {
      return false;
    }
    if (value.node.IsScalar()) {
      for (const auto& [word, meaning] : choices) {
        if (value.node.Scalar() == word) {
          out = meaning;
          return true;
        }
      }
    }
    reader.expected(value, expected);
    return false;
  };
  auto print = [choices](const E& wanted) -> std::string {
    for (const auto& [word, meaning] : choices) {
      if (meaning == wanted) {
        return std::string(word);
      }
    }
    return "";
  };
  return {std::move(info), std::move(read), std::move(print)};
}

// `text` as a YAML scalar, in quotes where it needs them.
std::string yaml_text(std::string_view text);
// `text` as a JSON string, quotes included.
std::string json_text(std::string_view text);

}  // namespace headgate::config
