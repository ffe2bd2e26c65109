#pragma once

#include <cstddef>
#include <memory>
#include <string_view>

#include "auth/user_source.h"
#include "net/loop.h"
#include "sources/passwd_file.h"

namespace headgate::sources {

// Users and password hashes from a file. Hashing and reading are on the thread pool.
class PasswdFileSource : public auth::UserSource {
 public:
  // More look-ups at a time than this are Unavailable at once: they would wait past any deadline.
  static constexpr std::size_t kMostUnderWay = 256;

  // `hash_unknown`: an unknown user costs as much time as a wrong password. Meant for the last
  // source alone: then every failure costs one hash, whichever file the user stands in.
  PasswdFileSource(net::Loop& loop, std::shared_ptr<PasswdFile> file, bool hash_unknown,
                   auth::CodeRules codes);

  void look_up(const auth::LoginRequest& request, Callback done) override;
  [[nodiscard]] bool takes(const dialogue::Credentials& credentials) const override {
    return credentials.by_password() || credentials.by_stored_secret();
  }
  auth::LookupResult explain(std::string_view user) override { return file_->explain(user); }
  [[nodiscard]] std::string_view name() const override { return "passwd_file"; }

 private:
  net::Loop& loop_;
  std::shared_ptr<PasswdFile> file_;
  bool hash_unknown_;
  auth::CodeRules codes_;
  // Shared with the tasks, which may end when this object is gone.
  std::shared_ptr<std::size_t> under_way_ = std::make_shared<std::size_t>(0);
};

}  // namespace headgate::sources
