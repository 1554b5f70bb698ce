// Drawing tokens where the logits are: what is kept of a draft then needs no row of logits on the host, but an id of
// each. The draw is that of decode/sampling.hpp without filters, the Gumbel-max trick (Maddison et al. 2014, "A*
// sampling", section 2) with noise that belongs to (key, token):
//   w[i] = exp((l[i] - max l) / temperature)      id = argmin_i E_i / w[i],  E_i = -log(1 - v_i)
//   v_i  the middle of that one of 2^32 parts of (0, 1) which word i of the key says
#pragma once
#include <cmath>
#include <cstdint>
#include <string>

#include <fauna/core/backend.hpp>
#include <fauna/core/error.hpp>
#include <fauna/core/rng.hpp>
#include <fauna/core/view.hpp>

namespace fauna::inline v0 {

/// v of a word of noise; E is no less.
constexpr double draw_part(std::uint32_t word) { return (static_cast<double>(word) + 0.5) * 0x1p-32; }

namespace draw_tokens_detail {

/// -1: a row that nothing can be drawn from.
template <class S> int row(const S* l, int vocab, float temperature, Key key) {
  int best = 0;
  for (int i = 0; i < vocab; ++i) {
    if (std::isnan(l[i])) return -1;
    if (l[i] > l[best]) best = i;
  }
  if (!std::isfinite(l[best])) return -1;
  if (temperature == 0) return best;
  int chosen = best;
  double earliest = 0;
  for (int i = 0; i < vocab; ++i) {
    const auto w = static_cast<double>(std::exp((l[i] - l[best]) / static_cast<S>(temperature)));
    const double time = -std::log1p(-draw_part(key.word(static_cast<std::uint64_t>(i)))) / w;
    if (!(w > 0) || (earliest > 0 && time >= earliest)) continue;
    earliest = time;
    chosen = i;
  }
  return chosen;
}

/// Throws where a row had nothing to draw from.
inline void check(const int* ids, int rows) {
  for (int r = 0; r < rows; ++r)
    if (ids[r] < 0)
      fail("draw_tokens", "row " + std::to_string(r) + " of logits has NaN, +inf or only -inf", "finite ones");
}

}  // namespace draw_tokens_detail

/// draw_tokens<B>::forward(b, logits, temperature, keys, ids)
///   logits [R,V]; keys [R] and ids [R] in the host's memory; temperature 0: the first of the largest. Of equal times
///   the lowest id. Throws for a row with NaN, or without a finite largest logit. On a device w and the times are its
///   own exp and log1p: two tokens that come within rounding of each other may change places.
template <class B> struct draw_tokens {
  static_assert(always_false<B>,
                "fauna: no draw_tokens for this backend: include <fauna/ops/draw_tokens/cpu.hpp> or ref.hpp");
};

}  // namespace fauna::inline v0
