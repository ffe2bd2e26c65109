#include "net/http_transfer.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <utility>

#include "base/printable.h"

namespace headgate::net {
namespace {

// "HTTP/1.1 204 No Content": the number; 0 where there is none.
unsigned status_of(std::string_view line) {
  const std::size_t space = line.find(' ');
  unsigned status = 0;
  if (space != line.npos) {
    std::from_chars(line.data() + space + 1, line.data() + line.size(), status);
  }
  return status;
}

}  // namespace

HttpTransfer::HttpTransfer(HttpClient::Id id, HttpRequest request, HttpClient::Done done,
                           const HttpClient::Options& options, Listener listener)
    : id_(id),
      request_(std::move(request)),
      done_(std::move(done)),
      largest_reply_(options.largest_reply),
      listener_(listener),
      easy_(curl_easy_init()) {
  set_up(options);
}

HttpTransfer::~HttpTransfer() {
  curl_easy_cleanup(easy_);
}

void HttpTransfer::set_up(const HttpClient::Options& options) {
  const auto set = [this](CURLoption option, auto value) {
    curl_easy_setopt(easy_, option, value);
  };
  set_place();
  set_header_list();
  if (request_.body) {
    set(CURLOPT_POST, 1L);
    set(CURLOPT_POSTFIELDS, request_.body->view().data());
    set(CURLOPT_POSTFIELDSIZE, static_cast<long>(request_.body->size()));
  }
  set(CURLOPT_HTTP_VERSION,
      static_cast<long>(request_.keep_alive ? CURL_HTTP_VERSION_1_1 : CURL_HTTP_VERSION_1_0));
  set(CURLOPT_FRESH_CONNECT, request_.keep_alive ? 0L : 1L);
  set(CURLOPT_FORBID_REUSE, request_.keep_alive ? 0L : 1L);
  set(CURLOPT_TIMEOUT_MS, static_cast<long>(request_.timeout.count()));
  set(CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
  set(CURLOPT_SSL_VERIFYPEER, options.verify ? 1L : 0L);
  set(CURLOPT_SSL_VERIFYHOST, options.verify ? 2L : 0L);
  if (!options.ca_file.empty()) {
    set(CURLOPT_CAINFO, options.ca_file.c_str());
    set(CURLOPT_CAPATH, static_cast<char*>(nullptr));
  }
  // Nothing from the environment, no signals, no other scheme.
  set(CURLOPT_PROXY, "");
  set(CURLOPT_NOSIGNAL, 1L);
  set(CURLOPT_PROTOCOLS_STR, "http,https");
  set(CURLOPT_HEADERFUNCTION, &HttpTransfer::header_callback);
  set(CURLOPT_HEADERDATA, this);
  set(CURLOPT_WRITEFUNCTION, &HttpTransfer::body_callback);
  set(CURLOPT_WRITEDATA, this);
  set(CURLOPT_ERRORBUFFER, error_.data());
  set(CURLOPT_PRIVATE, this);
}

// Which server, and what of it.
void HttpTransfer::set_place() {
  const Url& url = request_.url;
  if (!url.socket.empty()) {
    url_ = "http://" + url.address.host + url.target;
    curl_easy_setopt(easy_, CURLOPT_UNIX_SOCKET_PATH, url.socket.c_str());
  } else {
    url_ = url.to_string();
    set_addresses();
  }
  curl_easy_setopt(easy_, CURLOPT_URL, url_.c_str());
}

// One address is where to connect to, and connections are kept by it. Several are what the name
// means to libcurl from now on, which tries those of both families side by side (RFC 8305).
void HttpTransfer::set_addresses() {
  const std::vector<Endpoint>& endpoints = request_.endpoints;
  const bool one = endpoints.size() == 1;
  place_ = one ? "::" + endpoints.front().to_string() : request_.url.address.to_string() + ":";
  for (std::size_t at = 0; !one && at < endpoints.size(); ++at) {
    place_ += (at == 0 ? "" : ",") + endpoints[at].ip.to_string();
  }
  place_list_.data = place_.data();
  curl_easy_setopt(easy_, one ? CURLOPT_CONNECT_TO : CURLOPT_RESOLVE, &place_list_);
}

// libcurl takes "Name:" for the removal of a header and wants "Name;" for one without a value.
void HttpTransfer::set_header_list() {
  for (Secret& line : request_.headers) {
    const std::string_view text = line.view();
    const std::size_t colon = std::min(text.find(':'), text.size());
    if (text.find_first_not_of(' ', colon + 1) == text.npos) {
      Secret name(text.substr(0, colon));
      name.append(';');
      line = std::move(name);
    }
  }
  request_.headers.emplace_back("Accept:");
  if (request_.body) {
    request_.headers.emplace_back("Expect:");
  }
  header_list_.resize(request_.headers.size());
  for (std::size_t i = 0; i < header_list_.size(); ++i) {
    request_.headers[i].append('\0');
    header_list_[i].data = const_cast<char*>(request_.headers[i].view().data());
    header_list_[i].next = i + 1 < header_list_.size() ? &header_list_[i + 1] : nullptr;
  }
  curl_easy_setopt(easy_, CURLOPT_HTTPHEADER, header_list_.data());
}

std::size_t HttpTransfer::header_callback(char* data, std::size_t size, std::size_t count,
                                          void* self) {
  return static_cast<HttpTransfer*>(self)->on_header({data, size * count}) ? size * count : 0;
}

std::size_t HttpTransfer::body_callback(char* data, std::size_t size, std::size_t count,
                                        void* self) {
  return static_cast<HttpTransfer*>(self)->on_body({data, size * count}) ? size * count : 0;
}

// False ends the transfer.
bool HttpTransfer::on_header(std::string_view line) {
  received_ += line.size();
  if (received_ > largest_reply_) {
    too_large_ = true;
    return false;
  }
  if (head_done_) {
    return true;  // a trailer
  }
  if (line.starts_with("HTTP/")) {
    head_.clear();  // what came so far was of an interim answer
    status_ = status_of(line);
    return true;
  }
  if (line != "\r\n" && line != "\n") {
    head_.append(line);
    return true;
  }
  if (status_ >= 100 && status_ < 200) {
    return true;
  }
  head_done_ = true;
  listener_.on_head(listener_.owner, *this);
  return true;
}

bool HttpTransfer::on_body(std::string_view bytes) {
  received_ += bytes.size();
  if (received_ > largest_reply_) {
    too_large_ = true;
    return false;
  }
  if (!request_.head_only) {
    body_.append(bytes);
  }
  return true;
}

std::expected<HttpReply, HttpFailure> HttpTransfer::result(CURLcode code) {
  if (code == CURLE_OK && head_done_) {
    return take_reply();
  }
  HttpFailure failure;
  failure.timed_out = code == CURLE_OPERATION_TIMEDOUT;
  if (too_large_) {
    failure.why = fmt::format("the answer is longer than {} bytes", largest_reply_);
  } else if (code == CURLE_OK) {
    failure.why = "no answer in HTTP";
  } else {
    failure.why = printable(error_[0] != '\0' ? error_.data() : curl_easy_strerror(code));
  }
  return std::unexpected(std::move(failure));
}

}  // namespace headgate::net
