#include "metrics/labels.h"

#include <cerrno>

namespace headgate::metrics {

AcceptError accept_error_from(int errno_code) {
  switch (errno_code) {
    case EMFILE:
      return AcceptError::kEmfile;
    case ENFILE:
      return AcceptError::kEnfile;
    case ENOBUFS:
      return AcceptError::kEnobufs;
    case ENOMEM:
      return AcceptError::kEnomem;
    default:
      return AcceptError::kOther;
  }
}

}  // namespace headgate::metrics
