#pragma once

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "config/config.h"

namespace headgate::config {

// What is wrong with a configuration, whose files need not be there, as lines "t.yaml:2: key: …".
inline std::vector<std::string> errors_of(const std::string& text) {
  std::vector<std::string> lines;
  if (const auto loaded = load_text("t.yaml", text, Files::kIgnore); !loaded) {
    for (const Error& error : loaded.error()) {
      lines.push_back(error.to_string());
    }
  }
  return lines;
}

// A configuration that must be good.
inline Config good(const std::string& text) {
  auto loaded = load_text("t.yaml", text, Files::kIgnore);
  if (!loaded) {
    ADD_FAILURE() << loaded.error().front().to_string();
    return {};
  }
  return *std::move(loaded);
}

}  // namespace headgate::config
