#pragma once

#include <string_view>

#include "auth/user_source.h"

namespace headgate::sources {

// One connection to where users are kept, used by one thread that may block. It connects when it
// is asked first, and again after a failure.
class Directory {
 public:
  virtual ~Directory() = default;

  // Both block; never throw.
  virtual auth::LookupResult look_up(const auth::LoginRequest& request) = 0;
  virtual auth::LookupResult explain(std::string_view user) = 0;

  // Any thread: makes a look_up() that is under way fail soon.
  virtual void interrupt() noexcept = 0;
};

}  // namespace headgate::sources
