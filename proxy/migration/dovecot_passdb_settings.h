#pragma once

#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "migration/dovecot_view.h"

namespace headgate::migration {

// The setting of this name that counts in a block, the last one; nullptr without any.
const DovecotSetting* dovecot_inner(const DovecotSetting& block, std::string_view key);
// Whether the block is one whose values come from elsewhere, as its name says:
// "%{ldap:mailHost}" → "mailHost"; empty for anything else.
std::string_view dovecot_ldap_attribute(std::string_view value);
// `text` with 2.4's variables as 2.3 has them: "%{user | username | lower}" → "%Ln". What has no
// such form stays as it is.
std::string classic_dovecot_variables(std::string_view text);

// What a passdb with driver sql or ldap needs to know, by 2.3's names. There it stands in a file of
// its own, dovecot-sql.conf.ext, that `args` names; in 2.4 in the block itself, and what is not
// there around it.
class PassdbSettings {
 public:
  // Both must outlive it. A file that cannot be read is noted.
  PassdbSettings(DovecotImportState& state, const DovecotSetting& passdb);

  // Goes with the line of the passdb, or of its args.
  void note(std::string_view text) { state_.note(at_, text); }
  // Empty: not set. With 2.3's variables.
  std::string value(std::string_view key);
  // What it is called where it stands.
  [[nodiscard]] std::string_view name(std::string_view key) const;
  // Of connections: "host" for each server, and of the first one "dbname" and so on.
  std::vector<std::pair<std::string, std::string>> connection(std::string_view driver);
  // The LDAP attribute that gives this field; empty: none does.
  std::string attribute_for(std::string_view field);
  void note_the_rest();

  [[nodiscard]] bool empty() const { return !in_place_ && settings_.empty(); }
  [[nodiscard]] bool in_place() const { return in_place_; }

 private:
  const DovecotSetting* find(std::string_view key);
  std::vector<const DovecotSetting*> server_blocks(std::string_view driver);

  DovecotImportState& state_;
  const DovecotSetting& passdb_;
  const DovecotSetting& at_;
  const bool in_place_;                   // 2.4
  std::vector<DovecotSetting> settings_;  // of the file
  std::set<std::string, std::less<>> asked_;
};

}  // namespace headgate::migration
