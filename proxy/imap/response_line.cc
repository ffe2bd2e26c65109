#include "imap/response_line.h"

#include <iterator>

#include "imap/syntax.h"

namespace headgate::imap {

namespace {

using Kind = ResponseLine::Kind;
using Status = ResponseLine::Status;

struct Row {
  std::string_view word;
  Status status;
};
constexpr Row kStatuses[] = {{"OK", Status::kOk},
                             {"NO", Status::kNo},
                             {"BAD", Status::kBad},
                             {"PREAUTH", Status::kPreauth},
                             {"BYE", Status::kBye}};
static_assert(std::size(kStatuses) == static_cast<std::size_t>(Status::kBye) + 1);

// The first word, and what stands behind the space that ends it.
std::string_view take_word(std::string_view& rest) {
  const std::size_t end = rest.find(' ');
  const std::string_view word = rest.substr(0, end);
  rest.remove_prefix(end == rest.npos ? rest.size() : end + 1);
  return word;
}

void take_code(ResponseLine& line) {
  const std::size_t end = line.text.find(']');
  if (!line.text.starts_with('[') || end == line.text.npos) {
    return;
  }
  line.code_rest = line.text.substr(1, end - 1);
  line.code = take_word(line.code_rest);
  line.text.remove_prefix(end + 1);
  if (line.text.starts_with(' ')) {
    line.text.remove_prefix(1);
  }
}

}  // namespace

ResponseLine parse_response(std::string_view response) {
  ResponseLine line;
  if (response.starts_with('+') && (response.size() == 1 || response[1] == ' ')) {
    line.kind = Kind::kContinuation;
    line.text = response.substr(response.size() == 1 ? 1 : 2);
    return line;
  }
  std::string_view rest = response;
  const std::string_view tag = take_word(rest);
  const std::string_view word = take_word(rest);
  if ((tag != "*" && !is_tag(tag)) || !is_atom(word)) {
    return line;
  }
  line.tag = tag;
  line.word = word;
  line.text = rest;
  for (const Row& row : kStatuses) {
    if (equals_ignoring_case(word, row.word)) {
      line.kind = Kind::kStatus;
      line.status = row.status;
      take_code(line);
      return line;
    }
  }
  line.kind = tag == "*" ? Kind::kData : Kind::kGarbage;
  return line;
}

bool is_untagged_data(std::string_view response) {
  return response.starts_with("* ") && parse_response(response).kind == Kind::kData;
}

}  // namespace headgate::imap
