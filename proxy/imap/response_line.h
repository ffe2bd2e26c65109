#pragma once

#include <cstdint>
#include <string_view>

namespace headgate::imap {

// A response of a server, taken apart as far as a login needs it. Everything is borrowed.
struct ResponseLine {
  enum class Kind : std::uint8_t {
    kGarbage,       // no response of IMAP at all
    kContinuation,  // "+ …"
    kStatus,        // OK, NO, BAD, PREAUTH or BYE, tagged or not
    kData,          // untagged, anything else: `word` says what, `text` is the rest
  };
  enum class Status : std::uint8_t { kOk, kNo, kBad, kPreauth, kBye };

  Kind kind = Kind::kGarbage;
  Status status = Status::kBad;
  std::string_view tag;        // "*" for an untagged one
  std::string_view word;       // "OK", "CAPABILITY", "5"
  std::string_view code;       // "AUTHENTICATIONFAILED", "CAPABILITY"; empty: none
  std::string_view code_rest;  // what stands behind the code's name in the brackets
  std::string_view text;       // behind the code, or behind the word

  [[nodiscard]] bool untagged() const { return tag == "*"; }
};

// Takes a response without its last line end.
ResponseLine parse_response(std::string_view response);

// Whether the response that begins so is untagged data, whose lines may announce literals.
bool is_untagged_data(std::string_view response);

}  // namespace headgate::imap
