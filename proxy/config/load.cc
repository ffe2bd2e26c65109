#include <fmt/format.h>
#include <sys/stat.h>
#include <yaml-cpp/eventhandler.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <optional>
#include <sstream>

#include "config/schema.h"

namespace headgate::config {
namespace {

constexpr std::size_t kMaxFile = 4UL * 1024 * 1024;

std::expected<std::string, std::string> read_file(const std::string& file) {
  struct stat status{};
  if (::stat(file.c_str(), &status) != 0) {
    return std::unexpected(std::string(std::strerror(errno)));
  }
  if (!S_ISREG(status.st_mode)) {
    return std::unexpected(std::string("it is no regular file"));
  }
  std::ifstream stream(file, std::ios::binary);
  std::string text(kMaxFile + 1, '\0');
  stream.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (stream.bad() || !stream.is_open()) {
    return std::unexpected(std::string(std::strerror(errno)));
  }
  text.resize(static_cast<std::size_t>(stream.gcount()));
  return text;
}

// Notes where a document begins; everything else is of no interest.
class DocumentStart : public YAML::EventHandler {
 public:
  [[nodiscard]] std::optional<int> line() const { return line_; }
  void OnDocumentStart(const YAML::Mark& mark) override { line_ = mark.line + 1; }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark&, YAML::anchor_t) override {}
  void OnAlias(const YAML::Mark&, YAML::anchor_t) override {}
  void OnScalar(const YAML::Mark&, const std::string&, YAML::anchor_t,
                const std::string&) override {}
  void OnSequenceStart(const YAML::Mark&, const std::string&, YAML::anchor_t,
                       YAML::EmitterStyle::value) override {}
  void OnSequenceEnd() override {}
  void OnMapStart(const YAML::Mark&, const std::string&, YAML::anchor_t,
                  YAML::EmitterStyle::value) override {}
  void OnMapEnd() override {}

 private:
  std::optional<int> line_;
};

// The line on which a second document begins. YAML::LoadAll would tell as well, but never ends for
// some texts: it makes an empty document of a ',' without taking it.
std::optional<int> second_document(const std::string& text) {
  std::istringstream stream(text);
  YAML::Parser parser(stream);
  DocumentStart first;
  DocumentStart second;
  parser.HandleNextDocument(first);
  parser.HandleNextDocument(second);
  return second.line();
}

std::unexpected<std::vector<Error>> one_error(const std::string& file, int line, std::string what) {
  return std::unexpected(std::vector{Error{file, line, "", std::move(what)}});
}

// yaml-cpp quotes parts of the file in some messages, and these may be a password's; only its fixed
// texts pass.
std::string explain(const YAML::ParserException& error) {
  std::string text = error.msg;
  if (const std::size_t colon = text.find(':'); colon != std::string::npos) {
    text.resize(colon);
  }
  return fmt::format("valid YAML, found an error near column {}: {}", error.mark.column + 1, text);
}

}  // namespace

std::string Error::to_string() const {
  std::string text = file;
  if (line > 0) {
    text.append(":").append(std::to_string(line));
  }
  text.append(": ");
  if (!key.empty()) {
    text.append(key).append(": ");
  }
  return text.append("expected ").append(expected);
}

std::expected<Config, std::vector<Error>> load_text(const std::string& file,
                                                    const std::string& text, Files files) {
  if (text.size() > kMaxFile) {
    return one_error(file, 0, fmt::format("at most {} bytes", kMaxFile));
  }
  try {
    if (const auto line = second_document(text)) {
      return one_error(file, *line, "one YAML document, found another one");
    }
    const YAML::Node root = YAML::Load(text);
    Reader reader(file, files);
    Config config;
    config.file = file;
    schema().read(reader, {root, "", line_of(root, 1)}, config);
    name_sources(config);
    check_whole(reader, config);
    if (!reader.ok()) {
      return std::unexpected(reader.take_errors());
    }
    return config;
  } catch (const YAML::ParserException& error) {
    return one_error(file, error.mark.line + 1, explain(error));
  } catch (const YAML::Exception& error) {
    return one_error(file, error.mark.is_null() ? 0 : error.mark.line + 1,
                     "YAML that yaml-cpp can read");
  }
}

std::expected<Config, std::vector<Error>> load(const std::string& file) {
  const auto text = read_file(file);
  if (!text) {
    return one_error(file, 0, fmt::format("a file that can be read, found: {}", text.error()));
  }
  return load_text(file, *text);
}

}  // namespace headgate::config
