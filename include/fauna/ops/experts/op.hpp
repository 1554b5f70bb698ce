// Rows on their way to the experts that they chose, and back. Row r stands once for each of its K choices among the
// n rows that experts see, at place_rj, sorted by expert; a choice with no place (below 0) was dropped, and gives
// nothing:
//   gather     y_i = x_{source_i}                       its gradient  x'_r = base_r + Σ_j y'_{place_rj}
//   combine    y_r = base_r + Σ_j w_rj z_{place_rj}     its gradients z'_{place_rj} = w_rj y'_r
//                                                       and           w'_rj = y'_r · z_{place_rj}
//   scatter    y_{place_rj} = w_rj x_r                   a gather that weighs, with the dots of w' among
//   dots       w_rj = x_r · z_{place_rj}                its gradients
// Sums run over ascending j: no bit depends on who else is in the batch, or on the number of threads.
#pragma once
#include <fauna/core/backend.hpp>
#include <fauna/core/view.hpp>

namespace fauna::inline v0 {

/// expert_rows<B>::gather(b, x [R,C], sources [n], y [n,C])
/// expert_rows<B>::gather_backward(b, dy [n,C], places [R,K], base [R,C] or null, dx [R,C])       base may be dx
/// expert_rows<B>::combine(b, z [n,C], places [R,K], weights [R,K], base [R,C] or null, y [R,C])  base may be y
/// expert_rows<B>::combine_backward(b, dy [R,C], z, places, weights, dz [n,C], dweights [R,K])
/// expert_rows<B>::scatter(b, x [R,C], places, weights [R,K] or null: 1, y [n,C])
/// expert_rows<B>::dots(b, x [R,C], z [n,C], places, w [R,K])
/// expert_rows<B>::on_host(b, ids [R,K], weights [R,K], places [R,K], sources [n], most, f)
///   f(ids, weights, places, sources) in the host's memory; f fills the last two, of sources at most `most`
/// Rows of dz and y that are no choice's place are left as they are; the weight of a dropped choice has gradient 0.
template <class B> struct expert_rows {
  static_assert(always_false<B>,
                "fauna: no expert_rows for this backend: include <fauna/ops/experts/cpu.hpp> or ref.hpp");
};

}  // namespace fauna::inline v0
