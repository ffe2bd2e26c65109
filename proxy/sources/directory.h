#pragma once

#include <string_view>

#include "auth/user_source.h"

namespace headgate::sources {

// Who waits for what a directory is asked, as far as the directory has to do with it. Any thread.
class Asker {
 public:
  virtual ~Asker() = default;

  // The directory's server has answered a question. `last`: it is asked no more of this look-up;
  // what takes time from now on is work of our own.
  virtual void on_server_answer(bool last) = 0;
  // False: the result is no longer wanted, whatever it is. Never true again.
  [[nodiscard]] virtual bool waits() const = 0;
};

// One connection to where users are kept, used by one thread that may block. It connects when it
// is asked first, and again after a failure.
class Directory {
 public:
  virtual ~Directory() = default;

  // Both block; never throw. Unavailable: the server did not answer, or cannot.
  virtual auth::LookupResult look_up(const auth::LoginRequest& request, Asker& asker) = 0;
  virtual auth::LookupResult explain(std::string_view user, Asker& asker) = 0;

  // Any thread: makes a look_up() that is under way fail soon.
  virtual void interrupt() noexcept = 0;
};

}  // namespace headgate::sources
