#include "net/loop.h"

#include <cstdio>
#include <cstdlib>
#include <utility>

namespace headgate::net {
namespace {

// Running out of memory or descriptors while a loop is set up, or leaving handles behind when it
// goes, is nothing a caller could mend.
void require(int result, const char* what) {
  if (result != 0) {
    std::fprintf(stderr, "%s: %s\n", what, uv_strerror(result));
    std::abort();
  }
}

template <typename Handle>
uv_handle_t* as_handle(Handle* handle) {
  return reinterpret_cast<uv_handle_t*>(handle);
}

}  // namespace

Loop::Loop() {
  require(uv_loop_init(&loop_), "uv_loop_init");
}

Loop::~Loop() {
  require(uv_loop_close(&loop_), "uv_loop_close");
}

void Loop::run() {
  uv_run(&loop_, UV_RUN_DEFAULT);
}

void Loop::stop() {
  uv_stop(&loop_);
}

void Loop::drain() {
  while (uv_run(&loop_, UV_RUN_DEFAULT) != 0) {
  }
}

struct Wakeup::Handle {
  uv_async_t async;
  std::function<void()> on_wake;
};

Wakeup::Wakeup(Loop& loop, std::function<void()> on_wake)
    : handle_(new Handle{{}, std::move(on_wake)}) {
  handle_->async.data = handle_;
  require(uv_async_init(
              loop.raw(), &handle_->async,
              [](uv_async_t* async) noexcept { static_cast<Handle*>(async->data)->on_wake(); }),
          "uv_async_init");
}

Wakeup::~Wakeup() {
  uv_close(as_handle(&handle_->async),
           [](uv_handle_t* async) noexcept { delete static_cast<Handle*>(async->data); });
}

void Wakeup::notify() {
  uv_async_send(&handle_->async);
}

// A prepare handle runs after the close callbacks of a turn and the timers of the next, just before
// the poll, so one call sees the work of all of them; an active idle handle makes the poll's
// timeout 0.
struct TurnEnd::Handles {
  uv_prepare_t prepare;
  uv_idle_t idle;
  std::function<void()> on_turn_end;
  int open = 2;

  static void closed(uv_handle_t* handle) noexcept {
    auto* handles = static_cast<Handles*>(handle->data);
    if (--handles->open == 0) {
      delete handles;
    }
  }
};

TurnEnd::TurnEnd(Loop& loop, std::function<void()> on_turn_end)
    : handles_(new Handles{{}, {}, std::move(on_turn_end)}) {
  uv_prepare_init(loop.raw(), &handles_->prepare);
  uv_idle_init(loop.raw(), &handles_->idle);
  handles_->prepare.data = handles_;
  handles_->idle.data = handles_;
  uv_prepare_start(&handles_->prepare, [](uv_prepare_t* prepare) noexcept {
    static_cast<Handles*>(prepare->data)->on_turn_end();
  });
  // Housekeeping does not keep a loop alive, unfinished work (the idle handle) does.
  uv_unref(as_handle(&handles_->prepare));
}

TurnEnd::~TurnEnd() {
  uv_close(as_handle(&handles_->prepare), &Handles::closed);
  uv_close(as_handle(&handles_->idle), &Handles::closed);
}

void TurnEnd::set_busy(bool busy) {
  if (busy) {
    uv_idle_start(&handles_->idle, [](uv_idle_t*) noexcept {});
  } else {
    uv_idle_stop(&handles_->idle);
  }
}

void run_blocking(Loop& loop, std::function<void()> work, std::function<void()> done) {
  struct Request {
    uv_work_t work;
    std::function<void()> run;
    std::function<void()> done;
  };
  auto* request = new Request{{}, std::move(work), std::move(done)};
  request->work.data = request;
  require(uv_queue_work(
              loop.raw(), &request->work,
              [](uv_work_t* queued) noexcept { static_cast<Request*>(queued->data)->run(); },
              [](uv_work_t* queued, int) noexcept {
                const std::unique_ptr<Request> finished(static_cast<Request*>(queued->data));
                finished->done();
              }),
          "uv_queue_work");
}

}  // namespace headgate::net
