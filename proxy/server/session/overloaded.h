#pragma once

namespace headgate::server {

// Visits a std::variant with one lambda per alternative; a missing one does not compile.
template <typename... Functions>
struct Overloaded : Functions... {
  using Functions::operator()...;
};

}  // namespace headgate::server
