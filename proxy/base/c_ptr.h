#pragma once

#include <memory>

namespace headgate {

// Frees what a C library hands out: std::unique_ptr<BIO, Freer<BIO_free>>.
template <auto kFree>
struct Freer {
  template <typename T>
  void operator()(T* object) const {
    kFree(object);
  }
};

template <typename T, auto kFree>
using CPtr = std::unique_ptr<T, Freer<kFree>>;

}  // namespace headgate
