#include "imap/id_command.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "imap/quoting.h"
#include "imap/syntax.h"

namespace headgate::imap {

namespace {

// Dovecot's bound for session ids; fits none that Headgate makes.
constexpr std::size_t kMaxSessionId = 64;
// A DNS name.
constexpr std::size_t kMaxServerName = 255;
// What Headgate writes itself, with x-connected-name.
constexpr std::size_t kOwnFields = 8;

std::string to_string(const Secret& bytes) {
  return std::string(bytes.view());
}

Parse parse_field(Arguments& cursor, dialogue::IdField& field) {
  Secret key;
  if (const Parse parsed = cursor.string(key); parsed != Parse::kOk) {
    return parsed;
  }
  if (key.size() > kMaxIdKey || !cursor.take(' ')) {
    return Parse::kBad;
  }
  field.key = to_string(key);
  field.nil = cursor.take_nil();
  if (field.nil) {
    return Parse::kOk;
  }
  Secret value;
  if (const Parse parsed = cursor.string(value); parsed != Parse::kOk) {
    return parsed;
  }
  field.value = to_string(value);
  return value.size() <= kMaxIdValue ? Parse::kOk : Parse::kBad;
}

void append_field(std::string_view key, std::string_view value, std::string& list) {
  list += list.size() > 1 ? " " : "";
  append_quoted(key, list);
  list += ' ';
  append_quoted(value, list);
}

void append_client_fields(const std::vector<dialogue::IdField>& fields, std::size_t others,
                          std::string& list) {
  std::size_t count = 0;
  for (const dialogue::IdField& field : fields) {
    const std::string key = quotable(field.key, kMaxIdKey);
    if (key.empty() || starts_with_ignoring_case(key, "x-")) {
      continue;
    }
    if (++count > kMaxIdFields - others) {
      return;
    }
    if (field.nil) {
      list += list.size() > 1 ? " " : "";
      append_quoted(key, list);
      list += " NIL";
    } else {
      append_field(key, quotable(field.value, kMaxIdValue), list);
    }
  }
}

}  // namespace

Parse parse_id(std::string_view arguments, std::vector<dialogue::IdField>& out) {
  Arguments cursor(arguments);
  if (!cursor.take(' ')) {
    return Parse::kBad;
  }
  if (cursor.take_nil()) {
    return cursor.at_end() ? Parse::kOk : Parse::kBad;
  }
  if (!cursor.take('(')) {
    return Parse::kBad;
  }
  for (std::size_t count = 0; !cursor.take(')'); ++count) {
    if (count == kMaxIdFields || (count > 0 && !cursor.take(' '))) {
      return Parse::kBad;
    }
    dialogue::IdField field;
    if (const Parse parsed = parse_field(cursor, field); parsed != Parse::kOk) {
      return parsed;
    }
    out.push_back(std::move(field));
  }
  return cursor.at_end() ? Parse::kOk : Parse::kBad;
}

unsigned hops_left(const std::vector<dialogue::IdField>& fields, unsigned most) {
  constexpr std::string_view kTtl = "x-proxy-ttl";
  for (const dialogue::IdField& field : fields) {
    if (field.key.size() != kTtl.size() || !starts_with_ignoring_case(field.key, kTtl)) {
      continue;
    }
    unsigned hops = 0;
    const char* end = field.value.data() + field.value.size();
    const auto [last, error] = std::from_chars(field.value.data(), end, hops);
    if (error == std::errc() && last == end) {
      most = std::min(most, hops);
    }
  }
  return most;
}

std::string make_id_list(const dialogue::ForwardedClient& client) {
  std::string list = "(";
  append_client_fields(client.id, kOwnFields + client.forward.size(), list);
  append_field("x-session-id", quotable(client.session_id, kMaxSessionId), list);
  append_field("x-originating-ip", client.client.ip.to_string(), list);
  append_field("x-originating-port", std::to_string(client.client.port), list);
  append_field("x-connected-ip", client.connected.ip.to_string(), list);
  append_field("x-connected-port", std::to_string(client.connected.port), list);
  append_field("x-proxy-ttl", std::to_string(client.ttl - 1), list);
  append_field("x-client-transport", client.tls ? "TLS" : "insecure", list);
  if (!client.server_name.empty()) {
    append_field("x-connected-name", quotable(client.server_name, kMaxServerName), list);
  }
  for (const dialogue::IdField& field : client.forward) {
    append_field("x-forward-" + quotable(field.key, kMaxIdKey), quotable(field.value, kMaxIdValue),
                 list);
  }
  list += ')';
  return list;
}

}  // namespace headgate::imap
