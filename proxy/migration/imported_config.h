#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace headgate::migration {

// What an import gives.
struct Import {
  std::string yaml;                // a whole Headgate configuration
  std::vector<std::string> notes;  // "line N: …": what is different or was left out, in file order
};

// The contents of a file that an imported file names; nullopt when it cannot be read.
using ReadImportedFile = std::function<std::optional<std::string>(const std::string& path)>;

// The notes of an import, on their way there. No note repeats a value that may be a secret.
class ImportNotes {
 public:
  // Line 0: about the file as a whole.
  void add(int line, std::string text) { notes_.emplace(line, std::move(text)); }
  [[nodiscard]] std::vector<std::string> in_file_order() const;

 private:
  std::multimap<int, std::string> notes_;
};

// Single values as YAML, by their key from where they stand: "login.timeout" → "60s".
using ImportedValues = std::map<std::string, std::string>;

// `time` as a value of `key`, moved into the key's bounds, with a note that `what` was.
std::string bounded_duration(ImportNotes& notes, int line, std::string_view what,
                             std::string_view key, std::chrono::milliseconds time,
                             std::chrono::milliseconds least, std::chrono::milliseconds most);

struct ImportedListener {
  std::string name;
  std::string address;
  std::string_view tls = "none";
  std::vector<std::string> trusted;  // not empty: behind a load balancer
  std::optional<std::string> header_timeout;
  std::optional<std::string> backlog;
  std::vector<std::string_view> sasl = {};  // empty: all that the source can judge
  ImportedValues values = {};               // more keys
};

struct ImportedPool {
  std::string name;
  ImportedValues values;
  std::vector<std::string> backends;  // HOST:PORT
};

struct ImportedSource {
  std::string source;
  std::string pool;
  ImportedValues values;
  std::vector<std::string> rules;  // of a map: each one as YAML on one line
};

// What an import has found in another proxy's configuration, on its way to a Headgate one.
struct ImportedConfig {
  std::vector<ImportedListener> listeners;
  std::vector<std::pair<std::string, std::string>> certificates;  // certificate and key
  std::vector<ImportedPool> pools;
  std::vector<ImportedSource> sources;
  ImportedValues values;

  // `wanted`, or with a number behind it where a listener has that name.
  [[nodiscard]] std::string unique_listener_name(const std::string& wanted) const;
  [[nodiscard]] std::string to_yaml() const;
};

}  // namespace headgate::migration
