#include "migration/dovecot_view.h"

#include <fmt/format.h>

#include <filesystem>
#include <ranges>

#include "migration/dovecot_left_out.h"

namespace headgate::migration {

DovecotView::DovecotView(const std::vector<DovecotSetting>& settings) {
  for (const DovecotSetting& setting : settings) {
    if (!setting.is_block || setting.key != "protocol" || setting.value != "imap") {
      settings_.push_back(&setting);
    }
  }
  for (const DovecotSetting& setting : settings) {
    if (setting.is_block && setting.key == "protocol" && setting.value == "imap") {
      for (const DovecotSetting& inner : setting.block) {
        settings_.push_back(&inner);
      }
    }
  }
}

const DovecotSetting* DovecotView::last(std::string_view key) {
  asked_.emplace(key);
  for (const DovecotSetting* setting : settings_ | std::views::reverse) {
    if (!setting->is_block && setting->key == key) {
      return setting;
    }
  }
  return nullptr;
}

std::string DovecotView::value(std::string_view key) {
  const DovecotSetting* setting = last(key);
  return setting != nullptr ? setting->value : "";
}

std::vector<const DovecotSetting*> DovecotView::blocks(std::string_view kind) {
  asked_.emplace(kind);
  std::vector<const DovecotSetting*> found;
  for (const DovecotSetting* setting : settings_) {
    if (setting->is_block && setting->key == kind) {
      found.push_back(setting);
    }
  }
  return found;
}

void DovecotView::note_the_rest(ImportNotes& notes) const {
  for (const DovecotSetting* setting : settings_) {
    if (asked_.contains(setting->key)) {
      continue;
    }
    std::string_view why = why_dovecot_left_out(setting->key);
    if (setting->key.starts_with("!include")) {
      why = "not read: import what doveconf -nP prints, which has everything";
    } else if (setting->key == "protocol") {
      why = "Headgate speaks IMAP";
    } else if (setting->key == "local" || setting->key == "remote") {
      why = "what holds for some addresses only is left out";
    } else if (setting->key == "local_name") {
      why = "what holds for some host names only is left out, certificates too";
    }
    const std::string name = setting->is_block && !setting->value.empty()
                                 ? fmt::format("{} {}", setting->key, setting->value)
                                 : setting->key;
    notes.add(setting->line, fmt::format("{}: {}", name, why));
  }
}

void DovecotImportState::note(const DovecotSetting& setting, std::string_view text) {
  notes.add(setting.line, fmt::format("{}: {}", setting.key, text));
}

std::string DovecotImportState::path(std::string_view name) const {
  return (std::filesystem::path(folder) / name).lexically_normal().string();
}

std::string DovecotImportState::file_of(const DovecotSetting& setting) {
  if (setting.value.empty()) {
    note(setting,
         "doveconf hides it: import what doveconf -nP prints, or put the path of its file in the "
         "place of hidden-by-doveconf");
    return path("hidden-by-doveconf");
  }
  if (setting.value.contains("-----BEGIN") || setting.value.contains('\n')) {
    note(setting, "stands in the configuration itself; put it in a file and name that here");
    return path("not-in-a-file");
  }
  const std::string_view value = setting.value;
  return path(value.starts_with('<') ? value.substr(1) : value);
}

}  // namespace headgate::migration
