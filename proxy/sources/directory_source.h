#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string_view>
#include <vector>

#include "auth/user_source.h"
#include "net/loop.h"
#include "net/timer_wheel.h"
#include "sources/directories.h"

namespace headgate::sources {

// A worker's side of Directories: questions go there, answers come back to the worker's loop. The
// first server that works is asked; where it fails the next one is, and where it is late another
// one is asked as well and the first answer counts. One that failed or was late without a word to
// anybody rests, and while it does only probes are sent there, copies of what others are asked.
class DirectorySource final : public auth::UserSource {
 public:
  // `name` is static; `loop` and `timers` must outlive it. `hands_out`: the directories know what
  // is stored of a password, and so can serve an exchange.
  DirectorySource(net::Loop& loop, net::TimerWheel& timers,
                  std::shared_ptr<const Directories> directories, std::string_view name,
                  bool hands_out);
  // On the loop's thread; the loop must still turn once. Answers that come later are dropped.
  ~DirectorySource() override;

  void look_up(const auth::LoginRequest& request, Callback done) override;
  [[nodiscard]] bool takes(const dialogue::Credentials& credentials) const override {
    return credentials.by_password() || (hands_out_ && credentials.by_stored_secret());
  }
  auth::LookupResult explain(std::string_view user) override { return directories_->explain(user); }
  [[nodiscard]] std::string_view name() const override { return name_; }

 private:
  class LookUp;
  struct Answer {
    std::uint64_t look_up;
    std::size_t attempt;
    auth::LookupResult result;
  };
  // Outlives the source while an answer is under way.
  struct Inbox {
    std::mutex mutex;
    std::vector<Answer> answers;
    std::unique_ptr<net::Wakeup> wakeup;  // null: nobody reads any more

    void put(Answer answer);
  };
  void deliver();

  net::TimerWheel& timers_;
  const std::shared_ptr<const Directories> directories_;
  const std::string_view name_;
  const bool hands_out_;
  const std::shared_ptr<Inbox> inbox_ = std::make_shared<Inbox>();
  std::uint64_t last_id_ = 0;
  std::map<std::uint64_t, std::unique_ptr<LookUp>> look_ups_;
};

}  // namespace headgate::sources
