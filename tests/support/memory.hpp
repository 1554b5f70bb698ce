// Memory for tests: 64-byte aligned, filled with NaN, so that whatever is read before it was written shows.
#pragma once
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <vector>

#include <fauna/core/arena.hpp>

namespace test {

class Poisoned {
 public:
  explicit Poisoned(std::size_t bytes)
      : bytes_(fauna::aligned(bytes + 1)), data_(std::aligned_alloc(fauna::alignment, bytes_)) {
    poison();
  }
  Poisoned(Poisoned const&) = delete;
  Poisoned& operator=(Poisoned const&) = delete;
  ~Poisoned() { std::free(data_); }

  /// Every float, double and half in it is NaN again.
  void poison() { std::memset(data_, 0xff, bytes_); }
  template <class T> T* as() { return static_cast<T*>(data_); }
  fauna::Arena arena() { return {data_, bytes_}; }
  std::size_t bytes() const { return bytes_; }

 private:
  std::size_t bytes_;
  void* data_;
};

}  // namespace test
