#include "imap/command_reader.h"

#include <algorithm>
#include <string>

namespace headgate::imap {

namespace {

// Enough for the longest announcement that can be meant, "{9223372036854775807+}" and CR.
constexpr std::size_t kTailSize = 24;

}  // namespace

CommandReader::Result CommandReader::feed(std::string_view in) {
  std::size_t consumed = 0;
  while (true) {
    if (phase_ == Phase::kSkipOver) {
      next();
      return {consumed, Event::kSkipped};
    }
    const Result result = feed_phase(in.substr(consumed));
    consumed += result.consumed;
    if (result.event != Event::kNone) {
      return {consumed, result.event};
    }
    if (consumed == in.size() && phase_ != Phase::kSkipOver) {
      return {consumed, Event::kNone};
    }
  }
}

CommandReader::Result CommandReader::feed_phase(std::string_view in) {
  switch (phase_) {
    case Phase::kLine:
      return feed_line(in);
    case Phase::kLiteral:
      return feed_literal(in);
    case Phase::kSkipLiteral:
      return feed_skipped_literal(in);
    case Phase::kSkipLine:
    case Phase::kSkipOver:
      break;
  }
  return feed_skipped_line(in);
}

CommandReader::Result CommandReader::feed_line(std::string_view in) {
  const std::size_t end = in.find('\n');
  const std::string_view piece = in.substr(0, end);
  const std::size_t length = held_.size() - line_start_ + piece.size();
  if (end == in.npos) {
    // One byte more than the limit may still be the CR of the line end.
    const std::size_t size = lines_before_ + length;
    if (size > max_line_ + 1 && !may_be_longer(size - 1, piece)) {
      return overlong(piece);
    }
    held_.append(piece);
    return {piece.size(), Event::kNone};
  }
  const bool has_cr =
      piece.empty() ? held_.view().substr(line_start_).ends_with('\r') : piece.ends_with('\r');
  const std::size_t size = lines_before_ + length - (has_cr ? 1 : 0);
  if (size > max_line_ && !may_be_longer(size, piece)) {
    return overlong(piece);
  }
  std::string_view line = piece;
  text_ = piece;
  if (!held_.empty()) {
    held_.append(piece);
    text_ = held_.view();
    line = text_.substr(line_start_);
  }
  if (has_cr) {
    text_.remove_suffix(1);
    line.remove_suffix(1);
  }
  bare_line_feed_ = bare_line_feed_ || !has_cr;
  const auto header = literals_ ? trailing_literal(line) : std::nullopt;
  if (!header) {
    return {end + 1, Event::kCommand};
  }
  literal_ = *header;
  lines_before_ += line.size();
  return {end + 1, Event::kLiteral};
}

bool CommandReader::may_be_longer(std::size_t size, std::string_view piece) const {
  if (!literals_) {
    return size <= max_sasl_;
  }
  if (longer_ == nullptr) {
    return false;
  }
  // However the bytes were cut, the command begins with what is held.
  std::string begin(held_.view().substr(0, kBeginSize));
  begin += piece.substr(0, kBeginSize - begin.size());
  const bool longer = size <= longer_(begin, max_sasl_);
  wipe(begin.data(), begin.size());
  return longer;
}

CommandReader::Result CommandReader::overlong(std::string_view piece) {
  keep_tail(held_.view().substr(line_start_));
  // However the bytes were cut, whoever reads gets to see the same.
  if (held_.empty()) {
    text_ = piece.substr(0, max_line_);
  } else {
    held_.append(piece.substr(0, max_line_ - std::min(max_line_, held_.size())));
    text_ = held_.view().substr(0, max_line_);
  }
  phase_ = Phase::kSkipLine;
  return {0, Event::kOverlong};
}

CommandReader::Result CommandReader::feed_literal(std::string_view in) {
  const std::size_t taken = std::min<std::uint64_t>(literal_left_, in.size());
  held_.append(in.substr(0, taken));
  literal_left_ -= taken;
  if (literal_left_ == 0) {
    line_start_ = held_.size();
    phase_ = Phase::kLine;
  }
  return {taken, Event::kNone};
}

CommandReader::Result CommandReader::feed_skipped_line(std::string_view in) {
  held_.clear();
  text_ = {};
  const std::size_t end = in.find('\n');
  keep_tail(in.substr(0, end));
  if (end == in.npos) {
    return {in.size(), Event::kNone};
  }
  std::string_view line = tail_.view();
  if (line.ends_with('\r')) {
    line.remove_suffix(1);
  }
  const auto header = literals_ ? trailing_literal(line) : std::nullopt;
  tail_.clear();
  if (!header || header->synchronizing) {
    phase_ = Phase::kSkipOver;
  } else {
    literal_left_ = header->size;
    phase_ = Phase::kSkipLiteral;
  }
  return {end + 1, Event::kNone};
}

CommandReader::Result CommandReader::feed_skipped_literal(std::string_view in) {
  const std::size_t taken = std::min<std::uint64_t>(literal_left_, in.size());
  literal_left_ -= taken;
  if (literal_left_ == 0) {
    phase_ = Phase::kSkipLine;
  }
  return {taken, Event::kNone};
}

void CommandReader::accept_literal() {
  if (held_.empty()) {
    held_.append(text_);
  }
  // The CR of the line end is there already when the line was put together from pieces.
  held_.append(held_.size() > text_.size() ? "\n" : "\r\n");
  text_ = {};
  line_start_ = held_.size();
  literal_left_ = literal_.size;
  phase_ = literal_left_ == 0 ? Phase::kLine : Phase::kLiteral;
}

void CommandReader::skip() {
  held_.clear();
  text_ = {};
  literal_left_ = literal_.size;
  phase_ = literal_.synchronizing ? Phase::kSkipOver : Phase::kSkipLiteral;
}

void CommandReader::next() {
  held_.clear();
  tail_.clear();
  text_ = {};
  line_start_ = 0;
  lines_before_ = 0;
  literal_left_ = 0;
  bare_line_feed_ = false;
  phase_ = Phase::kLine;
}

void CommandReader::keep_tail(std::string_view bytes) {
  tail_.append(bytes.substr(bytes.size() - std::min(bytes.size(), kTailSize)));
  if (tail_.size() > kTailSize) {
    tail_.consume(tail_.size() - kTailSize);
  }
}

}  // namespace headgate::imap
