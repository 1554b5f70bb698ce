// What the tests of the kernels of recurrent mixers share.
#pragma once
#include <type_traits>
#include <vector>

#include "batches.hpp"
#include "simt_compare.hpp"

namespace test {

/// Whole and cut, packed, a tree, finished: 19 rows are a chunk and a part of one.
inline std::vector<Batch> batches() { return {plain(2, 19), plain(1, 1), ragged(), with_finished()}; }

/// f(backend, matrices that are written and whose first contents count, inputs), on kernels and on the reference. Sums
/// over some tens of rows of products of a few f32 numbers: the bound of the same ops on the CPU, 2e-5.
template <class F> void check(Many<float> const& written, Many<float> const& inputs, F const& f) {
  Many<double> exact;
  for (auto const& m : inputs) exact.push_back(m.as<double>());
  compare(
      335, written, [&](Kernels const& b, Many<float>& m) { f(b, m, inputs); },
      [&](Many<double>& m) { f(R64{}, m, exact); });
}
/// For what forward fills a part of: states that are kept.
inline Rows<float> zeros(int rows, int cols) {
  Rows<float> m(rows, cols);
  for (int r = 0; r < rows; ++r)
    for (int c = 0; c < cols; ++c) m.view()(r, c) = 0;
  return m;
}
template <class B> using Policy = std::remove_cvref_t<B>;

}  // namespace test
