#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "migration/imported_config.h"
#include "migration/perdition_config.h"

namespace headgate::migration {

// The options of a perdition.conf. Remembers which were asked for, so that the rest can be named.
class PerditionOptions {
 public:
  explicit PerditionOptions(std::vector<PerditionLine> lines) : lines_(std::move(lines)) {}

  // The last one of this name; nullptr without any.
  const PerditionLine* last(std::string_view key);
  // Its value; empty without any.
  std::string value(std::string_view key);
  bool has(std::string_view key) { return last(key) != nullptr; }
  // The words of its value, between commas or white space.
  std::vector<std::string> words(std::string_view key);

  // A note for everything that nobody has asked for: why it is left out, and what there is instead.
  void note_the_rest(ImportNotes& notes) const;

 private:
  std::vector<PerditionLine> lines_;
  std::set<std::string, std::less<>> asked_;
};

}  // namespace headgate::migration
