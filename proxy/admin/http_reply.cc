#include "admin/http_reply.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <string_view>
#include <utility>

namespace headgate::admin {
namespace {

void add_header(MHD_Response* reply, const std::string& name, const std::string& value) {
  ::MHD_add_response_header(reply, name.c_str(), value.c_str());
}

// Lines as Response::headers has them.
void add_headers(MHD_Response* reply, std::string_view lines) {
  while (!lines.empty()) {
    const std::size_t end = std::min(lines.find("\r\n"), lines.size());
    const std::string_view line = lines.substr(0, end);
    lines.remove_prefix(std::min(lines.size(), end + 2));
    if (const std::size_t colon = line.find(": "); colon != line.npos) {
      add_header(reply, std::string(line.substr(0, colon)), std::string(line.substr(colon + 2)));
    }
  }
}

}  // namespace

Reply make_reply(Response response) {
  auto body = std::make_unique<std::string>(std::move(response.body));
  Reply reply(::MHD_create_response_from_buffer_with_free_callback_cls(
      body->size(), body->data(), [](void* text) { delete static_cast<std::string*>(text); },
      body.get()));
  if (!reply) {
    return reply;
  }
  static_cast<void>(body.release());  // the reply's
  add_header(reply.get(), "Content-Type", response.content_type);
  add_header(reply.get(), "Cache-Control", "no-store");
  add_header(reply.get(), "X-Content-Type-Options", "nosniff");
  add_header(reply.get(), "Connection", "close");
  add_headers(reply.get(), response.headers);
  return reply;
}

Response busy() {
  Response response =
      json_error(MHD_HTTP_SERVICE_UNAVAILABLE, "as many requests as there may be are under way");
  response.headers = "Retry-After: 1\r\n";
  return response;
}

std::string too_slow() {
  const Response response = json_error(MHD_HTTP_REQUEST_TIMEOUT, "the request took too long");
  return fmt::format(
      "HTTP/1.1 {} {}\r\nContent-Type: {}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{}",
      response.status, MHD_get_reason_phrase_for(MHD_HTTP_REQUEST_TIMEOUT), response.content_type,
      response.body.size(), response.body);
}

}  // namespace headgate::admin
