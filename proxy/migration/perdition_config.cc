#include "migration/perdition_config.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

namespace headgate::migration {
namespace {

using Lines = std::vector<PerditionLine>;

bool is_blank(char c) {
  return c == ' ' || c == '\t' || c == '\r';
}

class PerditionReader {
 public:
  explicit PerditionReader(std::string_view text) : text_(text) {}

  std::expected<Lines, std::string> read() {
    Lines lines;
    while (at_ < text_.size()) {
      PerditionLine line;
      line.line = number_;
      if (!word(line.key, true) || !word(line.value, false)) {
        return std::unexpected(fmt::format("{}: expected the end of a quoted word", line.line));
      }
      if (lines.size() == kMostPerditionLines) {
        return std::unexpected(
            fmt::format("{}: expected at most {} lines", line.line, kMostPerditionLines));
      }
      end_line();
      if (!line.key.empty()) {
        lines.push_back(std::move(line));
      }
    }
    return lines;
  }

 private:
  [[nodiscard]] bool more() const { return at_ < text_.size() && text_[at_] != '\n'; }

  // A key ends at white space, a value at the end of the line; both at a comment. False: a quote
  // stays open.
  bool word(std::string& out, bool key) {
    skip_blank();
    std::size_t kept = 0;  // what follows is white space that may turn out to be at the end
    char quote = '\0';
    while (at_ < text_.size() && (quote != '\0' || text_[at_] != '\n')) {
      const char c = text_[at_];
      if (quote == '\0' && (c == '#' || (key && is_blank(c)))) {
        break;
      }
      ++at_;
      number_ += c == '\n' ? 1 : 0;
      if (quote != '\0' ? c == quote : c == '"' || c == '\'') {
        quote = quote != '\0' ? '\0' : c;
        kept = out.size();
        continue;
      }
      if (c == '\\' && quote != '\'') {
        escaped(out);
        kept = out.size();
        continue;
      }
      out += c;
      kept = quote != '\0' || !is_blank(c) ? out.size() : kept;
    }
    out.resize(kept);
    return quote == '\0';
  }

  // A backslash joins lines, and takes any other byte as it is.
  void escaped(std::string& out) {
    if (at_ == text_.size()) {
      return;
    }
    const char c = text_[at_++];
    if (c == '\n') {
      ++number_;
    } else {
      out += c;
    }
  }

  void skip_blank() {
    while (more() && is_blank(text_[at_])) {
      ++at_;
    }
  }

  // Comments are continued as well.
  void end_line() {
    const bool comment = at_ < text_.size() && text_[at_] == '#';
    while (at_ < text_.size() && (text_[at_] != '\n' || (comment && text_[at_ - 1] == '\\'))) {
      number_ += text_[at_++] == '\n' ? 1 : 0;
    }
    at_ += at_ < text_.size() ? 1U : 0U;
    ++number_;
  }

  std::string_view text_;
  std::size_t at_ = 0;
  int number_ = 1;
};

constexpr std::array<std::pair<std::string_view, std::string_view>, 29> kLetters = {{
    {"A", "add_domain"},
    {"a", "authenticate_in"},
    {"B", "no_bind_banner"},
    {"b", "bind_address"},
    {"C", "connection_logging"},
    {"c", "client_server_specification"},
    {"D", "domain_delimiter"},
    {"d", "debug"},
    {"e", "explicit_domain"},
    {"F", "log_facility"},
    {"g", "group"},
    {"I", "capability"},
    {"i", "inetd_mode"},
    {"L", "connection_limit"},
    {"l", "listen_port"},
    {"M", "map_library"},
    {"m", "map_library_opt"},
    {"n", "no_lookup"},
    {"O", "ok_line"},
    {"o", "server_resp_line"},
    {"P", "protocol"},
    {"p", "outgoing_port"},
    {"q", "quiet"},
    {"S", "strip_domain"},
    {"s", "outgoing_server"},
    {"t", "timeout"},
    {"U", "username_from_database"},
    {"u", "username"},
    {"server_ok_line", "server_resp_line"},
}};

}  // namespace

std::expected<Lines, std::string> parse_perdition_lines(std::string_view text) {
  return PerditionReader(text).read();
}

std::expected<Lines, std::string> parse_perdition_config(std::string_view text) {
  auto lines = parse_perdition_lines(text);
  if (lines) {
    for (PerditionLine& line : *lines) {
      const auto* known = std::ranges::find(kLetters, line.key,
                                            &std::pair<std::string_view, std::string_view>::first);
      if (known != kLetters.end()) {
        line.key = known->second;
      }
    }
  }
  return lines;
}

std::expected<Lines, std::string> parse_popmap(std::string_view text) {
  Lines lines;
  int number = 0;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    ++number;
    while (!line.empty() && is_blank(line.back())) {
      line.remove_suffix(1);
    }
    if (line.empty() || line.front() == '#') {
      continue;
    }
    const std::size_t colon = line.find(':');
    if (colon == 0 || colon == std::string_view::npos || colon + 1 == line.size()) {
      return std::unexpected(fmt::format("{}: expected KEY:SERVER", number));
    }
    if (lines.size() == kMostPerditionLines) {
      return std::unexpected(
          fmt::format("{}: expected at most {} lines", number, kMostPerditionLines));
    }
    lines.push_back(
        {std::string(line.substr(0, colon)), std::string(line.substr(colon + 1)), number});
  }
  return lines;
}

}  // namespace headgate::migration
