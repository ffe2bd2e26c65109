#pragma once

#include "admin/access.h"
#include "admin/control.h"
#include "admin/server.h"

// The calls of the API that are about moves of users to other backends.
namespace headgate::admin {

Response post_move(Control& control, const Request& request, const Caller& caller);
Response post_moves(Control& control, const Request& request, const Caller& caller);
Response get_moves(Control& control, const Request& request);
Response get_moved_users(Control& control, const Request& request);
// Of an order, whose number is in the path.
Response post_move_word(Control& control, MoveWord word, const Request& request,
                        const Caller& caller);
// Of the newest move of a user.
Response post_user_word(Control& control, MoveWord word, const Request& request,
                        const Caller& caller);

}  // namespace headgate::admin
