// Rows on their way to the experts that they chose, and back. Row r stands once for each of its K choices among the
// n = R K rows that experts see, at place_rj, sorted by expert:
//   gather     y_i = x_{source_i}                       its gradient  x'_r = base_r + Σ_j y'_{place_rj}
//   combine    y_r = base_r + Σ_j w_rj z_{place_rj}     its gradients z'_{place_rj} = w_rj y'_r,  w'_rj = y'_r ·
//   z_{place_rj}
// Sums run over ascending j: no bit depends on who else is in the batch, or on the number of threads.
#pragma once
#include <fauna/core/backend.hpp>
#include <fauna/core/view.hpp>

namespace fauna::inline v0 {

/// Rows by expert, in ascending order within each: where each choice [R,K] goes, and where each row of experts comes
/// from; first [E+1]: of each expert's rows.
inline void sort_by_expert(Matrix<const int> ids, int experts, int* first, Matrix<int> places, int* sources) {
  for (int e = 0; e <= experts; ++e) first[e] = 0;
  for (int r = 0; r < ids.rows(); ++r)
    for (int j = 0; j < ids.cols(); ++j) ++first[ids(r, j)];
  for (int e = 0, before = 0; e <= experts; ++e) {
    const int n = first[e];
    first[e] = before;
    before += n;
  }
  for (int r = 0; r < ids.rows(); ++r)
    for (int j = 0; j < ids.cols(); ++j) {
      places(r, j) = first[ids(r, j)]++;
      sources[places(r, j)] = r;
    }
  for (int e = experts; e > 0; --e) first[e] = first[e - 1];  // each has gone on to the next one's
  first[0] = 0;
}

/// expert_rows<B>::sort(b, ids [R,K], experts, first, places [R,K], sources [n])  as sort_by_expert; first is the
/// host's expert_rows<B>::gather(b, x [R,C], sources [n], y [n,C]) expert_rows<B>::gather_backward(b, dy [n,C], places
/// [R,K], base [R,C] or null, dx [R,C])       base may be dx expert_rows<B>::combine(b, z [n,C], places [R,K], weights
/// [R,K], base [R,C] or null, y [R,C])  base may be y expert_rows<B>::combine_backward(b, dy [R,C], z, places, weights,
/// dz [n,C], dweights [R,K])
template <class B> struct expert_rows {
  static_assert(always_false<B>,
                "fauna: no expert_rows for this backend: include <fauna/ops/experts/cpu.hpp> or ref.hpp");
};

}  // namespace fauna::inline v0
