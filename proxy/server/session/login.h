#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "auth/chain.h"
#include "auth/exchange.h"
#include "auth/user_source.h"
#include "dialogue/credentials.h"
#include "dialogue/failure.h"
#include "net/timer_wheel.h"
#include "server/generation.h"
#include "server/session/backend_leg.h"
#include "server/session/backend_search.h"
#include "server/session/client_leg.h"
#include "server/session/guess_guard.h"
#include "server/session/held_logins.h"
#include "server/session/idle_search.h"
#include "server/session/login_queue.h"
#include "server/session/routing.h"
#include "sources/policy_client.h"

namespace headgate::server {

// All that a session has only until the hand-over; then it goes, credentials included.
struct Login {
  using Clock = std::chrono::steady_clock;
  // What the pause timer is armed for.
  enum class Pause : std::uint8_t {
    kNone,
    kFailureDelay,
    kRetry,
    kAttempt,
    kAskAgain,
    kGuessDelay,
    kPolicyDelay,
    kQueue,
    kRoom,
    kHold,
  };

  Login(net::Transport& transport, ClientLegContext leg_context,
        std::shared_ptr<Generation> in_force, LoginQueue& queue, HeldLogins& held, void* session,
        net::Timer::Callback on_pause_over, LoginQueue::OnCall on_call,
        HeldLogins::OnRelease on_release)
      : context(std::move(leg_context)),
        client(transport, context),
        generation(std::move(in_force)),
        hold(held, session, on_release),
        place(queue, session, on_call),
        pause(session, on_pause_over) {}

  ClientLegContext context;
  ClientLeg client;

  // One try of the client to log in; begins anew with each.
  std::shared_ptr<Generation> generation;  // what it goes by
  dialogue::Credentials credentials;
  std::string session_id;  // like the credentials, part of the question that the ticket stands for
  GuessGuard::Attempt guess;
  std::optional<sources::PolicyLogin> policy;          // what the server knows of this try
  std::optional<net::HttpClient::Id> policy_question;  // under way
  auth::Chain::Ticket ticket;
  std::unique_ptr<auth::Exchange> exchange;  // while the client proves itself by rounds
  std::optional<std::string> challenge;      // of it, to go out at the end of the turn
  bool guarded = false;                      // the guard against guessing has let it pass
  bool proven = false;                       // the exchange has ended well
  auth::Route route;
  std::size_t source = 0;     // index, of the route
  std::size_t pool = 0;       // index, once routed
  bool pool_refused = false;  // a pool has said that the password is wrong, and another was asked
  Routed routed;              // how
  HeldLogins::Place hold;     // while the user is being moved
  bool released = false;      // that is over: to go on at the end of the turn
  BackendSearch search;
  Endpoint endpoint;                     // of the current attempt
  LoginQueue::Place place;               // at its backend
  std::optional<LoginQueue::Call> call;  // has come, to be answered at the end of the turn
  std::unique_ptr<BackendLeg> backend;
  std::uint64_t deadline_ms = 0;  // of this try, by the loop's clock
  // Of the last attempt, then of the login as a whole; what the log says about it.
  dialogue::LoginFailure failure = dialogue::LoginFailure::kInternal;
  std::string detail;
  std::string refusal;            // what the client is told; empty: the failure's own words
  std::string refusal_challenge;  // what it is told before that; empty: its mechanism's own words
  std::shared_ptr<IdleSearch> room;  // under way, for a session that can give way to this one
  unsigned rooms_asked = 0;          // for this backend
  bool trial = false;                // of a backend that has failed: see balance::begin_trial()
  bool tried_again = false;          // at the backend of the user's other sessions
  bool last = false;                 // the session ends with that
  unsigned attempts = 0;             // logins that the client has tried
  bool answer_due =
      false;  // the failure's reply, or the challenge, goes out at the end of the turn

  net::Timer pause;
  Pause pause_for = Pause::kNone;

  Clock::time_point accepted_at = Clock::now();
  Clock::time_point asked_at;      // credentials were there; without what rounds waited for
  Clock::duration spent{};         // on the exchange's rounds before this one
  Clock::time_point attempted_at;  // the current attempt began
};

}  // namespace headgate::server
