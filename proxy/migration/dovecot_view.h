#pragma once

#include <functional>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "migration/dovecot_config.h"
#include "migration/imported_config.h"

namespace headgate::migration {

// A Dovecot configuration as its IMAP service sees it: what stands in `protocol imap` goes before
// what stands outside. Remembers what was asked for, so that the rest can be named.
class DovecotView {
 public:
  // `settings` must outlive this object.
  explicit DovecotView(const std::vector<DovecotSetting>& settings);

  // The setting that counts, the last one of this name; nullptr without any.
  [[nodiscard]] const DovecotSetting* last(std::string_view key);
  // Its value; empty without any.
  std::string value(std::string_view key);
  [[nodiscard]] std::vector<const DovecotSetting*> blocks(std::string_view kind);

  // A note for everything that nobody has asked for.
  void note_the_rest(ImportNotes& notes) const;

 private:
  std::vector<const DovecotSetting*> settings_;  // those of `protocol imap` last
  std::set<std::string, std::less<>> asked_;
};

// What everything that reads a part of a Dovecot configuration works with.
struct DovecotImportState {
  DovecotView view;
  std::string folder;  // where relative paths begin
  ReadImportedFile read_file;
  ImportNotes notes;
  ImportedConfig config;

  void note(const DovecotSetting& setting, std::string_view text);
  [[nodiscard]] std::string path(std::string_view name) const;
  // The path of a value that stands in a file ("</path"), or is the name of one; empty, noted,
  // where there is none.
  std::string file_of(const DovecotSetting& setting);
};

}  // namespace headgate::migration
