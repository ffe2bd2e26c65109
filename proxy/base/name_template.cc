#include "base/name_template.h"

namespace headgate {

bool is_name_template(std::string_view text, std::size_t groups) {
  while (!text.empty()) {
    const std::size_t open = text.find_first_of("{}");
    if (open == std::string_view::npos) {
      return true;
    }
    const std::size_t close = text.find('}', open);
    if (text[open] == '}' || close == std::string_view::npos) {
      return false;
    }
    const std::string_view name = text.substr(open + 1, close - open - 1);
    const bool group = name.size() == 1 && name[0] >= '1' && name[0] <= '9' &&
                       static_cast<std::size_t>(name[0] - '0') <= groups;
    if (!group && name != "user" && name != "local_part" && name != "domain") {
      return false;
    }
    text.remove_prefix(close + 1);
  }
  return true;
}

}  // namespace headgate
