#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "auth/owned_request.h"
#include "sources/dovecot_auth_source.h"

namespace headgate::sources {

// One request to an auth service, from the first server that is asked to the answer: a look-up, or
// an exchange with all its rounds. Owned by its source. Any method but the observers may destroy
// it.
class DovecotAuthSource::LookUp final : public DovecotAuthConnection::Waiter {
 public:
  // `servers`: indices, in the order in which they are asked.
  LookUp(DovecotAuthSource& source, std::uint64_t id, const auth::LoginRequest& request,
         std::vector<std::size_t> servers, Callback done);
  ~LookUp();
  LookUp(const LookUp&) = delete;
  LookUp& operator=(const LookUp&) = delete;

  void start(std::uint64_t deadline_ms);
  // The client has answered a challenge.
  void go_on(const auth::Round& round, Callback done);
  // Whether it is the client's turn: nobody waits for this look-up.
  [[nodiscard]] bool with_client() const { return done_ == nullptr; }

  void on_ready() override;
  void on_line(const DovecotAuthLine& line) override;
  void on_lost(DovecotAuthEnd end, const std::string& why) override;

 private:
  using Clock = std::chrono::steady_clock;

  void ask_next();
  [[nodiscard]] unsigned most_tries() const;  // at one server
  void next_server();
  void send();
  void wait_for_answer();
  void arm_hedge();
  static void on_hedge(void* self) noexcept;
  void ask_others();
  void on_rival(auth::LookupResult result);
  // Whether the others have been asked and may still answer; then they decide.
  bool leave_it_to_rival();
  static void on_time(void* self) noexcept;
  void give_up_on_server();
  void on_continue(const DovecotAuthLine& line);
  void on_ok(const DovecotAuthLine& line);
  void on_fail(const DovecotAuthLine& line);
  void resolve_backend(auth::LookupResult result);
  void count(RequestResult result);
  void refuse(std::string why);
  void finish(auth::LookupResult result);
  void let_go_of_connection();

  DovecotAuthSource& source_;
  const std::uint64_t id_;
  const auth::OwnedRequest request_;
  const bool in_rounds_;
  std::string mechanism_;
  std::optional<Secret> message_;     // the first one
  std::vector<std::size_t> servers_;  // still to be asked, the current one first
  unsigned tries_ = 0;                // at the current one
  Callback done_;
  std::uint64_t deadline_ms_ = 0;
  DovecotAuthConnection* connection_ = nullptr;
  std::uint32_t request_id_ = 0;  // on it; 0: not asked yet
  bool answered_ = false;         // at least by a challenge: no other server can go on
  std::uint64_t lines_ = 0;       // of the connection, when it was asked
  Clock::time_point asked_at_;
  std::optional<auth::LookupResult> early_;  // came while it was the client's turn
  std::string why_ = "no server was asked in time";
  net::Timer timer_{this, &LookUp::on_time};
  net::Timer hedge_{this, &LookUp::on_hedge};
  std::uint64_t rival_ = 0;  // the look-up at the servers behind this one; 0: none
  bool over_ = false;        // this one has no answer and waits for its rival's
};

// What a session holds of an exchange between two rounds.
class DovecotAuthSource::Passing final : public auth::Conversation {
 public:
  Passing(std::weak_ptr<DovecotAuthSource*> source, std::uint64_t id)
      : source_(std::move(source)), id_(id) {}
  ~Passing() override {
    if (const auto source = source_.lock(); source && *source != nullptr) {
      (*source)->give_up(id_);
    }
  }
  [[nodiscard]] std::uint64_t id() const { return id_; }

 private:
  std::weak_ptr<DovecotAuthSource*> source_;
  const std::uint64_t id_;
};

}  // namespace headgate::sources
