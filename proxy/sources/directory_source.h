#pragma once

#include <memory>
#include <mutex>
#include <string_view>
#include <utility>
#include <vector>

#include "auth/user_source.h"
#include "net/loop.h"
#include "sources/directory_pool.h"

namespace headgate::sources {

// A worker's side of a DirectoryPool: questions go there, answers come back to the worker's loop.
class DirectorySource : public auth::UserSource {
 public:
  // `name` is static. `hands_out`: the directories know what is stored of a password, and so can
  // serve an exchange.
  DirectorySource(net::Loop& loop, std::shared_ptr<DirectoryPool> pool, std::string_view name,
                  bool hands_out);
  // On the loop's thread; the loop must still turn once. Answers that come later are dropped.
  ~DirectorySource() override;

  void look_up(const auth::LoginRequest& request, Callback done) override;
  [[nodiscard]] bool takes(const dialogue::Credentials& credentials) const override {
    return credentials.by_password() || (hands_out_ && credentials.by_stored_secret());
  }
  auth::LookupResult explain(std::string_view user) override { return pool_->explain(user); }
  [[nodiscard]] std::string_view name() const override { return name_; }

 private:
  // Outlives the source while an answer is under way.
  struct Inbox {
    std::mutex mutex;
    std::vector<std::pair<Callback, auth::LookupResult>> answers;
    std::unique_ptr<net::Wakeup> wakeup;  // null: nobody reads any more
  };
  void deliver();

  std::shared_ptr<DirectoryPool> pool_;
  const std::string_view name_;
  const bool hands_out_;
  std::shared_ptr<Inbox> inbox_ = std::make_shared<Inbox>();
};

}  // namespace headgate::sources
