#pragma once

#include <microhttpd.h>

#include <string>

#include "admin/server.h"
#include "base/c_ptr.h"

// Answers in the forms that the HTTP library and its sockets take.
namespace headgate::admin {

using Reply = CPtr<MHD_Response, MHD_destroy_response>;

// Null: no memory. The connection closes after it.
Reply make_reply(Response response);

// 503: every thread has something to do.
Response busy();

// 408 as it travels, for a request that is not complete in time.
std::string too_slow();

}  // namespace headgate::admin
