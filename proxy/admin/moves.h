#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/address.h"

// What the JSON API says of moves of users, and is asked for.
namespace headgate::admin {

// A user on the way to another backend.
struct MovedUserView {
  std::string user;
  std::string from;         // empty: not known
  std::string_view state;   // waiting, ending, hook, held, done, failed, undone
  bool back = false;        // is being undone
  std::int64_t since = 0;   // Unix time of the state
  std::int64_t until = 0;   // end of a hold, Unix time; 0: there is none
  std::uint64_t ended = 0;  // sessions
  std::string detail = {};  // what went wrong
};

// Users that one order moves to one backend.
struct MoveView {
  std::uint64_t move = 0;
  std::string pool;
  std::string to;  // "mail1.example.org:993"
  std::string by;  // Caller::name()
  std::int64_t since = 0;
  std::int64_t hold_s = 0;  // 0: logins do not wait, but for the hook
  unsigned rate = 0;        // users a second; 0: all at once
  std::string_view state;   // running, stopped, over
  std::size_t users = 0;
  std::vector<std::pair<std::string_view, std::size_t>> counts;  // of users, by state
  std::optional<std::int64_t> left_s;  // until all have had their turn, by what was seen so far
};

struct MovePage {
  std::vector<MoveView> moves;  // the newest first
  bool more = false;
};

struct MovedUserPage {
  MoveView move;
  std::vector<MovedUserView> users;
  std::optional<std::size_t> next;  // where the next page begins
};

// One user, or those that have sessions at a backend or are pinned there, or those of a list.
struct MoveRequest {
  std::string pool;
  std::optional<HostPort> to;
  std::vector<std::string> users;      // in lower case
  std::optional<HostPort> from;        // in place of them
  std::string pattern;                 // with `from`: only users like this; in lower case
  std::optional<std::int64_t> hold_s;  // 0: the configuration's time
  std::optional<unsigned> rate;
};

struct MoveStarted {
  MoveView move;
  std::optional<MovedUserView> user;  // of an order for one
  std::size_t left_out = 0;           // users at `from` whose name for the backend is not known
  std::string warning;                // empty: none
};

enum class MoveWord : std::uint8_t { kDone, kUndo, kStop, kGoOn };

struct MoveTold {
  std::uint64_t move = 0;
  std::size_t users = 0;  // for whom it does something
  std::string warning;    // why not for all; empty: it does
};

}  // namespace headgate::admin
