#pragma once

#include <curl/curl.h>

#include <array>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "net/http_client.h"

namespace headgate::net {

// One request and what has come of its answer: what libcurl's callbacks see. For http_client.cc
// alone.
class HttpTransfer {
 public:
  // What the client wants to hear of a transfer while it runs.
  struct Listener {
    void* owner = nullptr;
    void (*on_head)(void* owner, HttpTransfer& transfer) noexcept = nullptr;  // the last header
  };

  HttpTransfer(HttpClient::Id id, HttpRequest request, HttpClient::Done done,
               const HttpClient::Options& options, Listener listener);
  HttpTransfer(const HttpTransfer&) = delete;
  HttpTransfer& operator=(const HttpTransfer&) = delete;
  ~HttpTransfer();

  [[nodiscard]] CURL* easy() const { return easy_; }
  [[nodiscard]] HttpClient::Id id() const { return id_; }
  [[nodiscard]] bool head_only() const { return request_.head_only; }
  [[nodiscard]] bool keep_alive() const { return request_.keep_alive; }
  // `done` was taken: what still comes is read for the sake of the connection alone.
  [[nodiscard]] bool answered() const { return done_ == nullptr; }
  HttpClient::Done take_done() { return std::exchange(done_, nullptr); }
  // What a transfer that ended so has to tell.
  std::expected<HttpReply, HttpFailure> result(CURLcode code);
  HttpReply take_reply() { return {status_, std::move(head_), std::move(body_)}; }

 private:
  void set_up(const HttpClient::Options& options);
  void set_place();
  void set_addresses();
  void set_header_list();
  bool on_header(std::string_view line);
  bool on_body(std::string_view bytes);
  static std::size_t header_callback(char* data, std::size_t size, std::size_t count, void* self);
  static std::size_t body_callback(char* data, std::size_t size, std::size_t count, void* self);

  const HttpClient::Id id_;
  HttpRequest request_;
  HttpClient::Done done_;
  const std::size_t largest_reply_;
  Listener listener_;
  CURL* easy_;
  std::string url_;
  std::string place_;
  // libcurl reads these lists where they are: no copy of a password that nobody would wipe.
  std::vector<curl_slist> header_list_;
  curl_slist place_list_{};
  std::array<char, CURL_ERROR_SIZE> error_{};
  unsigned status_ = 0;
  Secret head_;
  Secret body_;
  std::size_t received_ = 0;
  bool head_done_ = false;
  bool too_large_ = false;
};

}  // namespace headgate::net
