#pragma once

#include <string>

namespace headgate {

// What `top -H`, `ps -L` and a debugger call the calling thread. Linux keeps 15 bytes of it;
// threads that this one starts begin with the same name.
void name_this_thread(const std::string& name);

}  // namespace headgate
