#include "migration/nginx_config.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <utility>

namespace headgate::migration {
namespace {

bool is_space(char c) {
  return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

// One word, or one of ';', '{', '}'; `kind` '\0' at the end of the text and 'w' for a word.
struct Token {
  char kind = '\0';
  std::string word;
  int line = 0;
};

class Lexer {
 public:
  explicit Lexer(std::string_view text) : text_(text) {}

  std::expected<Token, std::string> next() {
    skip_blank();
    Token token{'\0', "", line_};
    if (at_ == text_.size()) {
      return token;
    }
    const char c = text_[at_];
    if (c == ';' || c == '{' || c == '}') {
      ++at_;
      token.kind = c;
      return token;
    }
    token.kind = 'w';
    const bool closed = c == '"' || c == '\'' ? quoted(token.word) : (bare(token.word), true);
    if (!closed) {
      return std::unexpected(fmt::format("{}: expected the end of a quoted word", token.line));
    }
    return token;
  }

 private:
  void skip_blank() {
    while (at_ < text_.size() && (is_space(text_[at_]) || text_[at_] == '#')) {
      if (text_[at_] == '#') {
        at_ = std::min(text_.find('\n', at_), text_.size());
      } else {
        line_ += text_[at_++] == '\n' ? 1 : 0;
      }
    }
  }

  char take() {
    line_ += text_[at_] == '\n' ? 1 : 0;
    return text_[at_++];
  }

  // A backslash takes the next byte as it is, but for the white space that it spells.
  void escaped(std::string& word) {
    constexpr std::array<std::pair<char, char>, 3> kSpelled = {
        {{'t', '\t'}, {'r', '\r'}, {'n', '\n'}}};
    if (at_ == text_.size()) {
      return;
    }
    const char c = take();
    for (const auto& [letter, meaning] : kSpelled) {
      if (c == letter) {
        word += meaning;
        return;
      }
    }
    word += c;
  }

  bool quoted(std::string& word) {
    const char quote = take();
    while (at_ < text_.size()) {
      const char c = take();
      if (c == quote) {
        return true;
      }
      if (c == '\\') {
        escaped(word);
      } else {
        word += c;
      }
    }
    return false;
  }

  void bare(std::string& word) {
    while (at_ < text_.size() && !is_space(text_[at_]) && text_[at_] != ';' && text_[at_] != '{' &&
           text_[at_] != '}') {
      const char c = take();
      if (c == '\\') {
        escaped(word);
      } else {
        word += c;
      }
    }
  }

  std::string_view text_;
  std::size_t at_ = 0;
  int line_ = 1;
};

class Parser {
 public:
  explicit Parser(std::string_view text) : lexer_(text) {}

  // Up to the brace that ends the block, or to the end of the text.
  std::expected<std::vector<NginxDirective>, std::string> block(std::size_t depth) {
    std::vector<NginxDirective> directives;
    for (;;) {
      auto token = lexer_.next();
      if (!token) {
        return std::unexpected(token.error());
      }
      if (token->kind == (depth == 0 ? '\0' : '}')) {
        return directives;
      }
      if (token->kind != 'w') {
        return expected(*token, "the name of a directive");
      }
      if (++count_ > kMostNginxDirectives) {
        return expected(*token, fmt::format("at most {} directives", kMostNginxDirectives));
      }
      auto directive = rest_of(*std::move(token), depth);
      if (!directive) {
        return std::unexpected(directive.error());
      }
      directives.push_back(*std::move(directive));
    }
  }

 private:
  std::expected<NginxDirective, std::string> rest_of(Token name, std::size_t depth) {
    NginxDirective directive{std::move(name.word), {}, name.line, {}};
    for (;;) {
      auto token = lexer_.next();
      if (!token) {
        return std::unexpected(token.error());
      }
      if (token->kind == ';') {
        return directive;
      }
      if (token->kind == '{') {
        if (depth == kDeepestNginxBlock) {
          return expected(*token, fmt::format("blocks at most {} deep", kDeepestNginxBlock));
        }
        auto inner = block(depth + 1);
        if (!inner) {
          return std::unexpected(inner.error());
        }
        directive.block = *std::move(inner);
        return directive;
      }
      if (token->kind != 'w') {
        return expected(*token, fmt::format("';' or '{{' behind '{}'", directive.name));
      }
      directive.arguments.push_back(std::move(token->word));
    }
  }

  static std::unexpected<std::string> expected(const Token& token, std::string_view what) {
    const std::string found = token.kind == '\0'  ? "the end of the file"
                              : token.kind == 'w' ? "a word"
                                                  : fmt::format("'{}'", token.kind);
    return std::unexpected(fmt::format("{}: expected {}, found {}", token.line, what, found));
  }

  Lexer lexer_;
  std::size_t count_ = 0;
};

}  // namespace

std::expected<std::vector<NginxDirective>, std::string> parse_nginx_config(std::string_view text) {
  return Parser(text).block(0);
}

std::optional<std::chrono::milliseconds> parse_nginx_time(std::string_view text) {
  using std::chrono::milliseconds;
  constexpr std::array<std::pair<std::string_view, std::int64_t>, 6> kUnits = {
      {{"ms", 1}, {"s", 1000}, {"m", 60'000}, {"h", 3'600'000}, {"d", 86'400'000}, {"", 1000}}};
  constexpr std::int64_t kMost = 1'000'000;  // of any unit: sums stay far from overflow
  milliseconds total{0};
  bool any = false;
  while (!text.empty()) {
    if (text.front() == ' ') {
      text.remove_prefix(1);
      continue;
    }
    std::int64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc() || number < 0 || number > kMost) {
      return std::nullopt;
    }
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    const std::string_view unit = text.substr(0, text.find_first_of("0123456789 "));
    bool known = false;
    for (const auto& [name, factor] : kUnits) {
      if (unit == name) {
        total += milliseconds(number * factor);
        known = true;
      }
    }
    if (!known || (unit.empty() && !text.empty() && text.front() != ' ')) {
      return std::nullopt;
    }
    text.remove_prefix(unit.size());
    any = true;
  }
  return any ? std::optional(total) : std::nullopt;
}

}  // namespace headgate::migration
