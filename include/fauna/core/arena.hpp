// Planned memory. An arena hands out consecutive 64-byte aligned blocks. Without memory behind it, it only measures, so
// the function that places a structure is the function that sizes it.
#pragma once
#include <cstddef>
#include <string>

#include <fauna/core/error.hpp>
#include <fauna/core/view.hpp>

namespace fauna::inline v0 {

inline constexpr std::size_t alignment = 64;  // a cache line, and an AVX-512 register
constexpr std::size_t aligned(std::size_t bytes) { return (bytes + alignment - 1) / alignment * alignment; }

class Arena {
 public:
  /// Measures only: every view it gives is null.
  constexpr Arena() = default;
  /// Places into [base, base + capacity); base must be 64-byte aligned.
  constexpr Arena(void* base, std::size_t capacity) : base_(static_cast<std::byte*>(base)), capacity_(capacity) {}

  /// n elements of T, uninitialised. Throws when the plan was too small: a call was larger than what was prepared for,
  /// or a block took what its plan did not declare.
  template <class T> constexpr T* take(std::size_t n) {
    const std::size_t from = at_;
    at_ += aligned(n * sizeof(T));
    if (at_ > high_) high_ = at_;
    if (base_ == nullptr) return nullptr;
    if (at_ > capacity_)
      fail("arena", "needs " + std::to_string(at_) + " bytes", std::to_string(capacity_) + " planned",
           "is the call larger than what was prepared for, or does a block take more than its plan declares?");
    return reinterpret_cast<T*>(base_ + from);
  }
  template <class T, int Rows, int Cols> constexpr View<T, Rows, Cols> take_view(int rows = Rows, int cols = Cols) {
    return View<T, Rows, Cols>(take<T>(static_cast<std::size_t>(rows) * static_cast<std::size_t>(cols)), rows, cols);
  }

  constexpr std::size_t used() const { return at_; }
  /// The most that was ever in use at once.
  constexpr std::size_t high_water() const { return high_; }
  constexpr void reset(std::size_t to = 0) { at_ = to; }

 private:
  std::byte* base_ = nullptr;
  std::size_t capacity_ = 0, at_ = 0, high_ = 0;
};

/// Gives back, at the end of a block, whatever was taken from the arena inside it: scratch is a stack.
class Scope {
 public:
  constexpr explicit Scope(Arena& a) : arena_(a), at_(a.used()) {}
  Scope(Scope const&) = delete;
  Scope& operator=(Scope const&) = delete;
  constexpr ~Scope() { arena_.reset(at_); }

 private:
  Arena& arena_;
  std::size_t at_;
};

}  // namespace fauna::inline v0
