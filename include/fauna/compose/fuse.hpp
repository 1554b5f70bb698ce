// Fusion is a peephole: Seq asks it about neighbours, labels stripped. Without a specialisation nothing fuses.
#pragma once
#include <fauna/core/fault.hpp>

namespace fauna::inline v0 {

/// A specialisation may offer, for the pair A then B,
///   forward(call, wa, x, ya, yb)                         both outputs in one pass (ya is kept for backward)
///   backward(call, wb, dwb, ya, yb, dz, dya)             through B, then A: here A has no weights and yb = A(ya)
/// and says so with `fuses_forward`, `fuses_backward`.
template <class A, class B> struct Fusion { static constexpr bool fuses_forward = false, fuses_backward = false; };

}  // namespace fauna::inline v0
