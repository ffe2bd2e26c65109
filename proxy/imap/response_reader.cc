#include "imap/response_reader.h"

#include <algorithm>

#include "imap/literal.h"
#include "imap/response_line.h"

namespace headgate::imap {

ResponseReader::Result ResponseReader::feed(std::string_view in) {
  if (done_) {
    reset();
  }
  std::size_t consumed = 0;
  while (consumed < in.size()) {
    const std::string_view rest = in.substr(consumed);
    if (literal_left_ != 0) {
      consumed += feed_literal(rest);
      continue;
    }
    const Result result = feed_line(rest);
    consumed += result.consumed;
    if (result.event != Event::kNone) {
      done_ = true;
      return {consumed, result.event};
    }
  }
  return {consumed, Event::kNone};
}

ResponseReader::Result ResponseReader::feed_line(std::string_view in) {
  const std::size_t end = in.find('\n');
  const std::string_view piece = in.substr(0, end);
  if (lines_before_ + held_.size() - line_start_ + piece.size() > kMaxLine) {
    return {0, Event::kTooLong};
  }
  if (end == in.npos) {
    held_ += piece;
    return {piece.size(), Event::kNone};
  }
  std::string_view line = piece;
  text_ = piece;
  if (!held_.empty()) {
    held_ += piece;
    text_ = held_;
    line = text_.substr(line_start_);
  }
  if (line.ends_with('\r')) {
    line.remove_suffix(1);
    text_.remove_suffix(1);
  }
  const auto literal = trailing_literal(line);
  if (!literal || !is_untagged_data(text_)) {
    return {end + 1, Event::kResponse};
  }
  if (literal->size == LiteralHeader::kTooLarge) {
    return {end + 1, Event::kTooLong};
  }
  lines_before_ += line.size();
  if (held_.empty()) {
    held_ = text_;
  } else {
    held_.resize(text_.size());
  }
  held_ += "\r\n";
  line_start_ = held_.size();
  literal_left_ = literal->size;
  return {end + 1, Event::kNone};
}

std::size_t ResponseReader::feed_literal(std::string_view in) {
  const std::size_t taken = std::min<std::uint64_t>(literal_left_, in.size());
  const std::size_t room = kMaxKept - std::min(kMaxKept, held_.size());
  held_ += in.substr(0, std::min(taken, room));
  truncated_ = truncated_ || taken > room;
  literal_left_ -= taken;
  line_start_ = held_.size();
  return taken;
}

void ResponseReader::reset() {
  done_ = false;
  truncated_ = false;
  // The buffer of a long response is not kept while the connection waits.
  held_ = std::string();
  line_start_ = 0;
  lines_before_ = 0;
  literal_left_ = 0;
  text_ = {};
}

}  // namespace headgate::imap
