// Memory for checks: 64-byte aligned, filled with NaN, so that whatever is read before it was written shows.
#pragma once
#include <cstddef>
#include <cstdlib>
#include <cstring>

#include <fauna/core/arena.hpp>

namespace fauna::inline v0::checking {

/// As many bytes, freed at the end.
class Poisoned {
 public:
  explicit Poisoned(std::size_t bytes) : bytes_(aligned(bytes + 1)), data_(std::aligned_alloc(alignment, bytes_)) {
    poison();
  }
  Poisoned(Poisoned const&) = delete;
  Poisoned& operator=(Poisoned const&) = delete;
  ~Poisoned() { std::free(data_); }

  /// Every float, double and half in it is NaN again.
  void poison() { std::memset(data_, 0xff, bytes_); }
  template <class T> T* as() { return static_cast<T*>(data_); }
  Arena arena() { return {data_, bytes_}; }
  std::size_t bytes() const { return bytes_; }

 private:
  std::size_t bytes_;
  void* data_;
};

}  // namespace fauna::inline v0::checking
