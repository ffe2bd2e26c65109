#include "sources/passwd_file_source.h"

#include <string>
#include <utility>

namespace headgate::sources {
namespace {

// All that a look-up needs on the other thread; the request may be gone by then.
struct Task {
  std::string user;
  Secret password;
  bool by_exchange = false;
  std::string login;
  auth::LookupResult result = auth::UnknownHere{};
};

}  // namespace

PasswdFileSource::PasswdFileSource(net::Loop& loop, std::shared_ptr<PasswdFile> file,
                                   bool hash_unknown, auth::CodeRules codes)
    : loop_(loop), file_(std::move(file)), hash_unknown_(hash_unknown), codes_(std::move(codes)) {}

void PasswdFileSource::look_up(const auth::LoginRequest& request, Callback done) {
  if (*under_way_ >= kMostUnderWay) {
    done(auth::Unavailable{"too many password checks are waiting"});
    return;
  }
  ++*under_way_;
  auto task = std::make_shared<Task>(Task{.user = request.credentials.user,
                                          .password = request.credentials.secret.clone(),
                                          .by_exchange = request.credentials.by_exchange(),
                                          .login = request.login()});
  net::run_blocking(
      loop_,
      [task, file = file_, hash_unknown = hash_unknown_, codes = codes_] {
        task->result = task->by_exchange ? file->stored(task->user)
                                         : file->check(task->user, task->password, hash_unknown,
                                                       codes, task->login);
        task->password.clear();
      },
      [task, under_way = under_way_, done = std::move(done)] {
        --*under_way;
        done(std::move(task->result));
      });
}

}  // namespace headgate::sources
