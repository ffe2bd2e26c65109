#include "base/thread_name.h"

#include <sys/prctl.h>

namespace headgate {

void name_this_thread(const std::string& name) {
  prctl(PR_SET_NAME, name.c_str());  // fails for no name; the kernel cuts it
}

}  // namespace headgate
