#pragma once

#include <expected>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "base/secret.h"

namespace headgate::commands {

// Where a running Headgate is asked, as the command line says: by its configuration file, or by URL
// or path of a Unix socket ("/run/headgate/admin.sock", also with "unix:" or "http://unix:" before
// it), and token file.
struct AdminPlace {
  std::string config_file;
  std::string url;
  std::string token_file;
};

// Asks the JSON API of a running Headgate. Errors are one line for the person who typed the
// command.
class AdminClient {
 public:
  // Without a URL the configuration names the addresses. Of these a Unix socket that may be opened
  // goes first and no token is sent there; elsewhere the first token that may change things is
  // used, else the first.
  static std::expected<AdminClient, std::string> open(const AdminPlace& place);

  // `path` behind /api/v1/, with its query; what it answers.
  [[nodiscard]] std::expected<nlohmann::json, std::string> get(const std::string& path) const;
  [[nodiscard]] std::expected<nlohmann::json, std::string> post(const std::string& path,
                                                                const nlohmann::json& body) const;

 private:
  AdminClient(std::string socket, std::string url, Secret token)
      : socket_(std::move(socket)), url_(std::move(url)), token_(std::move(token)) {}
  [[nodiscard]] std::expected<nlohmann::json, std::string> ask(const std::string& path,
                                                               const std::string* body) const;

  // Where it is asked, for errors.
  [[nodiscard]] const std::string& place() const { return socket_.empty() ? url_ : socket_; }

  std::string socket_;  // path of a Unix socket; empty: by URL
  std::string url_;     // "http://127.0.0.1:9143"
  Secret token_;        // empty: none
};

// For a part of a path or a query.
std::string url_encoded(const std::string& text);

}  // namespace headgate::commands
