#pragma once

#include <yaml-cpp/yaml.h>

#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "config/config.h"

namespace headgate::config {

// A value of the file and where it stands.
struct Value {
  YAML::Node node;
  std::string path;     // "pools.main.backends[1].weight"
  int line = 0;         // from 1
  bool secret = false;  // never echoed

  // How it looks, for the end of "expected …, found …": "'heavy'", "a list", "nothing".
  [[nodiscard]] std::string found() const;
};

// The line of a node; `otherwise` where it has none of its own (an empty value).
int line_of(const YAML::Node& node, int otherwise);

// What all types need while a file is read: where its relative paths begin, where each key stands,
// and the errors so far.
class Reader {
 public:
  Reader(std::string file, Files files) : file_(std::move(file)), files_(files) {}

  // Notes that a value is being read. False once the file has more values than any sane one, which
  // bounds what nested aliases can cost.
  bool enter(const Value& value);

  // "LINE: KEY: expected `what`, found …".
  void expected(const Value& value, std::string_view what);
  // The same with the caller's words for what was found.
  void expected(const Value& value, std::string_view what, std::string_view found);
  // For checks that come after reading: the line is that of the key, or of the nearest key around
  // it.
  void refuse(const std::string& path, std::string what);
  void refuse_line(int line, const std::string& path, std::string what);
  // About a line of a file that the configuration names.
  void refuse_in(const std::string& file, int line, std::string what);

  [[nodiscard]] bool has(const std::string& path) const { return lines_.contains(path); }
  // It stands there and nothing is wrong with it.
  [[nodiscard]] bool good(const std::string& path) const;
  // The line of the key or of the nearest one around it; 1 without any.
  [[nodiscard]] int line(std::string path) const;
  // A path named in the file, made relative to the file's folder.
  [[nodiscard]] std::string resolve(std::string_view path) const;
  [[nodiscard]] bool checks_files() const { return files_ == Files::kCheck; }
  [[nodiscard]] bool ok() const { return errors_.empty() && file_errors_.empty(); }
  // In file order; those about other files come last.
  [[nodiscard]] std::vector<Error> take_errors();

 private:
  std::string file_;
  Files files_;
  std::map<std::string, int> lines_;
  std::vector<Error> errors_;  // in file order
  std::vector<Error> file_errors_;
  std::size_t values_ = 0;
};

}  // namespace headgate::config
