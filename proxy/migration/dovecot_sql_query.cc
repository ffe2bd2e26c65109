#include "migration/dovecot_sql_query.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <initializer_list>
#include <string>

#include "base/ascii.h"

namespace headgate::migration {
namespace {

constexpr std::string_view kSqlBlank = " \t\r\n";

bool is_sql_word_byte(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

std::string_view trimmed_sql(std::string_view text) {
  const std::size_t first = text.find_first_not_of(kSqlBlank);
  return first == std::string_view::npos
             ? std::string_view()
             : text.substr(first, text.find_last_not_of(kSqlBlank) - first + 1);
}

// One thing of the outermost level: a word, something in quotes, something in parentheses, or a
// byte. Whatever stands in quotes or parentheses is one piece.
struct Piece {
  std::size_t begin = 0;
  std::size_t size = 0;
  char kind = ' ';  // 'w', a quote, '(' or the byte itself
};

class Pieces {
 public:
  Pieces(std::string_view text, SqlDialect dialect) : text_(text), dialect_(dialect) {}

  // nullopt: quotes or parentheses that do not end, or a comment.
  std::optional<std::vector<Piece>> all() {
    std::vector<Piece> pieces;
    while (at_ < text_.size()) {
      const std::size_t begin = at_;
      const char c = text_[at_];
      if (text_.substr(at_).starts_with("--") || text_.substr(at_).starts_with("/*") || c == '#') {
        return std::nullopt;
      }
      if (is_sql_word_byte(c)) {
        while (at_ < text_.size() && is_sql_word_byte(text_[at_])) {
          ++at_;
        }
      } else if (c == '\'' || c == '"' || c == '`') {
        if (!skip_quoted()) {
          return std::nullopt;
        }
      } else if (c == '(') {
        if (!skip_parentheses()) {
          return std::nullopt;
        }
      } else {
        ++at_;
      }
      if (!kSqlBlank.contains(c)) {
        pieces.push_back({begin, at_ - begin, is_sql_word_byte(c) ? 'w' : c});
      }
    }
    return pieces;
  }

 private:
  bool skip_quoted() {
    const char quote = text_[at_++];
    for (; at_ < text_.size(); ++at_) {
      if (text_[at_] == '\\' && dialect_ == SqlDialect::kMysql) {
        ++at_;
      } else if (text_[at_] == quote) {
        ++at_;
        return true;
      }
    }
    return false;
  }
  bool skip_parentheses() {
    std::size_t depth = 0;
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (c == '\'' || c == '"' || c == '`') {
        if (!skip_quoted()) {
          return false;
        }
        continue;
      }
      ++at_;
      depth += c == '(' ? 1 : 0;
      if (c == ')' && --depth == 0) {
        return true;
      }
    }
    return false;
  }

  const std::string_view text_;
  const SqlDialect dialect_;
  std::size_t at_ = 0;
};

struct Column {
  std::string name;  // in small letters; empty: it has none
  std::string expression;
  std::optional<std::string> literal = {};
  bool null = false;
};

class Renamer {
 public:
  Renamer(std::string_view query, SqlDialect dialect, std::uint16_t usual_port)
      : query_(query), dialect_(dialect), usual_port_(usual_port) {}

  std::optional<RenamedQuery> run() {
    if (!read()) {
      return std::nullopt;
    }
    RenamedQuery renamed;
    take_password(renamed);
    take_user(renamed);
    take_backend(renamed);
    if (const auto tag = take("director_tag")) {
      add(tag->expression, "pool");
    }
    for (const Column& column : columns_) {
      note(column, renamed);
    }
    if (list_.empty()) {
      return std::nullopt;
    }
    renamed.text = fmt::format("{}{}{}", head_, list_, tail_);
    return renamed;
  }

 private:
  [[nodiscard]] std::string_view text_of(const Piece& piece) const {
    return query_.substr(piece.begin, piece.size);
  }
  [[nodiscard]] bool is(const Piece& piece, std::string_view word) const {
    return piece.kind == 'w' && equals_ignoring_case(text_of(piece), word);
  }

  // Cuts the query into what stands before its columns, the columns, and the rest.
  bool read() {
    query_ = trimmed_sql(query_);
    if (query_.ends_with(';')) {
      query_ = trimmed_sql(query_.substr(0, query_.size() - 1));
    }
    auto pieces = Pieces(query_, dialect_).all();
    if (!pieces || pieces->empty() || !is(pieces->front(), "SELECT")) {
      return false;
    }
    const std::size_t first = pieces->size() > 1 && is((*pieces)[1], "DISTINCT") ? 2 : 1;
    constexpr std::array<std::string_view, 5> kOther = {"UNION", "INTERSECT", "EXCEPT", "INTO",
                                                        "SELECT"};
    std::size_t from = pieces->size();
    for (std::size_t at = first; at < pieces->size(); ++at) {
      const Piece& piece = (*pieces)[at];
      if (piece.kind == ';' ||
          std::ranges::any_of(kOther, [&](std::string_view word) { return is(piece, word); })) {
        return false;
      }
      from = from == pieces->size() && is(piece, "FROM") ? at : from;
    }
    std::size_t begin = first;
    for (std::size_t at = first; at <= from; ++at) {
      if (at == from || (*pieces)[at].kind == ',') {
        if (!add_column({pieces->data() + begin, pieces->data() + at})) {
          return false;
        }
        begin = at + 1;
      }
    }
    const Piece& last_of_head = (*pieces)[first - 1];
    head_ = fmt::format("{} ", query_.substr(0, last_of_head.begin + last_of_head.size));
    tail_ = from == pieces->size() ? "" : fmt::format(" {}", query_.substr((*pieces)[from].begin));
    return true;
  }

  struct Range {
    const Piece* begin;
    const Piece* end;
    [[nodiscard]] std::ptrdiff_t size() const { return end - begin; }
  };

  [[nodiscard]] std::string whole(Range range) const {
    const Piece& last = *(range.end - 1);
    return std::string(
        query_.substr(range.begin->begin, last.begin + last.size - range.begin->begin));
  }
  // Of a piece that is one: without its quotes, in small letters.
  [[nodiscard]] std::string name_of(const Piece& piece) const {
    std::string_view text = text_of(piece);
    if (piece.kind != 'w') {
      text = text.substr(1, text.size() - 2);
    }
    return lower_case(text);
  }
  [[nodiscard]] static bool may_name(const Piece& piece) {
    return piece.kind == 'w' || piece.kind == '"' || piece.kind == '`' || piece.kind == '\'';
  }

  bool add_column(Range range) {
    if (range.size() == 0 || (range.end - 1)->kind == '*') {
      return false;  // which columns there are is not known
    }
    Column column;
    const Piece& last = *(range.end - 1);
    if (range.size() > 2 && is(*(range.end - 2), "AS") && may_name(last)) {
      column.name = name_of(last);
      range.end -= 2;
    } else if (is_path(range)) {
      column.name = last.kind == '\'' ? "" : name_of(last);
    } else if (range.size() > 1 && may_name(last) && ends_expression(*(range.end - 2)) &&
               !is(last, "END")) {
      column.name = name_of(last);
      --range.end;
    }
    column.expression = whole(range);
    take_literal(range, column);
    columns_.push_back(std::move(column));
    return true;
  }
  // table.column, "column"
  [[nodiscard]] static bool is_path(Range range) {
    for (const Piece* at = range.begin; at != range.end; ++at) {
      if ((at - range.begin) % 2 == 0 ? !may_name(*at) : at->kind != '.') {
        return false;
      }
    }
    return range.size() % 2 == 1;
  }
  [[nodiscard]] bool ends_expression(const Piece& piece) const {
    constexpr std::array<std::string_view, 8> kGoOn = {"AND",  "OR",   "NOT",  "LIKE",
                                                       "THEN", "ELSE", "WHEN", "CASE"};
    return (may_name(piece) || piece.kind == '(') &&
           std::ranges::none_of(kGoOn, [&](std::string_view word) { return is(piece, word); });
  }
  void take_literal(Range range, Column& column) const {
    if (range.size() != 1) {
      return;
    }
    const std::string_view text = text_of(*range.begin);
    const bool quoted =
        range.begin->kind == '\'' || (range.begin->kind == '"' && dialect_ == SqlDialect::kMysql);
    const std::string_view inner = quoted ? text.substr(1, text.size() - 2) : text;
    if (quoted && inner.find_first_of("'\"\\%:") == std::string_view::npos) {
      column.literal = inner;
    } else if (range.begin->kind == 'w' &&
               text.find_first_not_of("0123456789") == std::string_view::npos) {
      column.literal = text;
    }
    column.null = is(*range.begin, "NULL");
  }

  std::optional<Column> take(std::string_view name) {
    const auto found = std::ranges::find(columns_, name, &Column::name);
    if (found == columns_.end()) {
      return std::nullopt;
    }
    Column column = std::move(*found);
    columns_.erase(found);
    return column.null ? std::nullopt : std::optional(std::move(column));
  }
  void add(std::string_view expression, std::string_view name) {
    const bool quoted = dialect_ != SqlDialect::kMysql && name == "user";  // a word of SQL's own
    const std::string shown = quoted ? fmt::format("\"{}\"", name) : std::string(name);
    list_ += list_.empty() ? "" : ", ";
    list_ += expression == shown ? shown : fmt::format("{} AS {}", expression, shown);
  }
  [[nodiscard]] std::string joined(std::initializer_list<std::string_view> parts) const {
    return dialect_ == SqlDialect::kMysql ? fmt::format("CONCAT({})", fmt::join(parts, ", "))
                                          : fmt::format("{}", fmt::join(parts, " || "));
  }

  void take_password(RenamedQuery& renamed) {
    const auto open = take("nopassword");
    const auto password = take("password");
    renamed.backend_checks = open && open->literal;
    if (open && !open->literal) {
      renamed.left_out.emplace_back("nopassword");
    }
    if (password && !renamed.backend_checks) {
      add(password->expression, "password");
    }
  }

  // Of several the one that the backend gets.
  void take_user(RenamedQuery& renamed) {
    const auto destuser = take("destuser");
    const auto user = take("user");
    const auto username = take("username");
    const auto domain = take("domain");
    if (destuser) {
      add(destuser->expression, "user");
    } else if (user) {
      add(user->expression, "user");
    } else if (username && domain) {
      add(joined({username->expression, "'@'", domain->expression}), "user");
    } else if (username) {
      add(username->expression, "user");
    }
    const bool chosen = destuser || user;
    for (const auto& [column, name] : {std::pair(&user, "user"), std::pair(&username, "username"),
                                       std::pair(&domain, "domain")}) {
      const bool used = name == std::string_view("user")     ? !destuser
                        : name == std::string_view("domain") ? !chosen && username
                                                             : !chosen;
      if (*column && !used) {
        renamed.left_out.emplace_back(name);
      }
    }
  }

  void take_backend(RenamedQuery& renamed) {
    const auto host = take("host");
    const auto port = take("port");
    if (host && host->literal && (!port || port->literal)) {
      renamed.constants.emplace_back("host", *host->literal);
      if (port) {
        renamed.constants.emplace_back("port", *port->literal);
      }
      return;
    }
    if (!host) {
      if (port) {
        renamed.left_out.emplace_back("port");
      }
      return;
    }
    const auto constant = [&](std::string_view name) {
      const auto found = std::ranges::find(columns_, name, &Column::name);
      return found != columns_.end() && found->literal && !found->literal->empty() &&
             *found->literal != "no";
    };
    const unsigned usual = constant("ssl") && !constant("starttls") ? 993 : usual_port_;
    const std::string place =
        host->literal ? fmt::format("'{}'", *host->literal) : host->expression;
    if (!port || port->literal) {
      add(joined({place, fmt::format("':{}'", port ? *port->literal : std::to_string(usual))}),
          "backend");
      return;
    }
    const std::string number =
        dialect_ == SqlDialect::kPostgresql
            ? fmt::format("COALESCE(CAST({} AS text), '{}')", port->expression, usual)
            : fmt::format("COALESCE({}, '{}')", port->expression, usual);
    add(joined({place, "':'", number}), "backend");
  }

  static void note(const Column& column, RenamedQuery& renamed) {
    if (column.null) {
      return;
    }
    if (column.literal && !column.name.empty() && !column.name.starts_with("userdb_")) {
      renamed.constants.emplace_back(column.name, *column.literal);
    } else {
      renamed.left_out.push_back(column.name.empty() ? "?" : column.name);
    }
  }

  std::string_view query_;
  const SqlDialect dialect_;
  const std::uint16_t usual_port_;
  std::vector<Column> columns_;  // that are still to be taken
  std::string head_, list_, tail_;
};

}  // namespace

std::optional<RenamedQuery> rename_dovecot_columns(std::string_view query, SqlDialect dialect,
                                                   std::uint16_t usual_port) {
  return Renamer(query, dialect, usual_port).run();
}

}  // namespace headgate::migration
