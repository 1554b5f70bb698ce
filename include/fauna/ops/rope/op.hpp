// Rotary position embedding (Su et al. 2021, "RoFormer", equation 34): each pair (a, b) of a head's first R columns is
// turned by an angle that grows with the row's position p.
//   φ_i = float(p) θ_i      a' = m (a cos φ_i - b sin φ_i)      b' = m (b cos φ_i + a sin φ_i)
// φ is a float, as in the reference implementations; its cosine and sine are exact but for rounding. The magnitude m is
// 1 but where frequencies were scaled for long contexts. The other columns stay. Backward turns by -φ.
#pragma once
#include <fauna/core/backend.hpp>
#include <fauna/core/batch.hpp>
#include <fauna/core/view.hpp>
#include <fauna/ops/rope/frequencies.hpp>

namespace fauna::inline v0 {

struct Rotation {
  int heads = 1;      ///< heads side by side in a row
  int head_size = 0;  ///< columns of each
  int rotary = 0;     ///< R, even, at most head_size
  rope_pairs pairs = rope_pairs::half;
  const float* frequencies = nullptr;  ///< θ [R/2], in the host's memory
  float magnitude = 1;                 ///< m
};

/// rope<B>::forward(b, batch, rotation, x, y)      x, y [rows, heads * head_size]; y may be x. Rows get their positions
///                                                 from batch.position; they are below 2^24 where θ is at most 1.
/// rope<B>::backward(b, batch, rotation, dy, dx)   dx may be dy
/// Neither takes scratch.
template <class B> struct rope {
  static_assert(always_false<B>, "fauna: no rope for this backend: include <fauna/ops/rope/cpu.hpp> or ref.hpp");
};

}  // namespace fauna::inline v0
