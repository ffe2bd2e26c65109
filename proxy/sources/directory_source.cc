#include "sources/directory_source.h"

namespace headgate::sources {

DirectorySource::DirectorySource(net::Loop& loop, std::shared_ptr<DirectoryPool> pool,
                                 std::string_view name, bool hands_out)
    : pool_(std::move(pool)), name_(name), hands_out_(hands_out) {
  inbox_->wakeup = std::make_unique<net::Wakeup>(loop, [this] { deliver(); });
}

DirectorySource::~DirectorySource() {
  const std::lock_guard lock(inbox_->mutex);
  inbox_->wakeup.reset();
  inbox_->answers.clear();
}

void DirectorySource::look_up(const auth::LoginRequest& request, Callback done) {
  // Shared, since std::function must be copyable and the callback may exist once only.
  auto asker = std::make_shared<Callback>(std::move(done));
  const bool asked = pool_->look_up(request, [inbox = inbox_, asker](auth::LookupResult result) {
    const std::lock_guard lock(inbox->mutex);
    if (inbox->wakeup) {
      inbox->answers.emplace_back(std::move(*asker), std::move(result));
      inbox->wakeup->notify();
    }
  });
  if (!asked) {
    (*asker)(auth::Unavailable{"too many look-ups wait for a connection"});
  }
}

void DirectorySource::deliver() {
  std::vector<std::pair<Callback, auth::LookupResult>> answers;
  {
    const std::lock_guard lock(inbox_->mutex);
    answers.swap(inbox_->answers);
  }
  for (auto& [done, result] : answers) {
    done(std::move(result));
  }
}

}  // namespace headgate::sources
