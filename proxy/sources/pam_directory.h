#pragma once

#include <sys/types.h>

#include <expected>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "base/unique_fd.h"
#include "sources/directory.h"
#include "sources/pam_helper.h"

namespace headgate::sources {

struct PamOptions {
  std::string service;    // a file of the directory
  std::string directory;  // empty: the system's
  unsigned processes = 4;
};

// One helper process that asks PAM (see pam_helper.h); started with the first question, and again
// after it has ended or was killed.
class PamDirectory : public Directory {
 public:
  struct Shared {
    PamOptions options;
    bool last = false;  // no source behind this one may know the user
  };
  explicit PamDirectory(std::shared_ptr<const Shared> shared) : shared_(std::move(shared)) {}
  ~PamDirectory() override;

  auth::LookupResult look_up(const auth::LoginRequest& request, Asker& asker) override;
  // PAM says nothing of a user without the password: the user is taken for one it knows.
  auth::LookupResult explain(std::string_view user, Asker& asker) override;
  void interrupt() noexcept override;

 private:
  std::expected<PamAnswer, std::string> ask(const PamQuestion& question);
  std::expected<void, std::string> start();
  void end();

  const std::shared_ptr<const Shared> shared_;
  UniqueFd socket_;
  std::mutex mutex_;    // guards what follows, which this object's thread alone changes
  pid_t process_ = -1;  // not reaped yet
};

}  // namespace headgate::sources
