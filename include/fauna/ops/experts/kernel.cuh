// Rows on their way to experts and back as kernels. The order is made on the host, which has to know how many rows each
// expert gets. The maths is in op.hpp.
#pragma once
#include <vector>

#include <fauna/backend/memory.hpp>
#include <fauna/backend/simt.cuh>
#include <fauna/ops/experts/op.hpp>

namespace fauna::inline v0 {
namespace kernels {

struct GatherRows {
  Matrix<const float> x;
  const int* sources;
  Matrix<float> y;
  FAUNA_KERNEL void operator()(int i, int c) const { y(i, c) = x(sources[i], c); }
};
/// to_r = base_r + Σ_j w_rj from_{place_rj}; without weights, w = 1.
struct SumRows {
  Matrix<const float> from;
  Matrix<const int> places;
  Matrix<const float> weights, base;
  Matrix<float> to;
  FAUNA_KERNEL void operator()(int r, int c) const {
    float sum = base ? base(r, c) : 0;
    for (int j = 0; j < places.cols(); ++j) {
      const float v = from(places(r, j), c);
      sum += weights ? weights(r, j) * v : v;
    }
    to(r, c) = sum;
  }
};
/// A warp for each choice of a row.
struct CombineBackward {
  Matrix<const float> dy, z;
  Matrix<const int> places;
  Matrix<const float> weights;
  Matrix<float> dz, dweights;
  template <class T> FAUNA_KERNEL void operator()(T const& t, int item) const {
    const int r = item / places.cols(), j = item % places.cols(), place = places(r, j);
    float dot = 0;
    for (int c = t.lane(); c < dy.cols(); c += warp_size) {
      dot += dy(r, c) * z(place, c);
      dz(place, c) = weights(r, j) * dy(r, c);
    }
    dot = simt::warp_sum(t, dot);
    if (t.lane() == 0) dweights(r, j) = dot;
  }
};

}  // namespace kernels

template <Device B> struct expert_rows<B> {
  static void sort(B const&, Matrix<const int> ids, int experts, int* first, Matrix<int> places, int* sources) {
    const std::size_t n = ids.size();
    const OnHost<B, int> chosen(ids.data(), n);
    std::vector<int> at(n), from(n);
    sort_by_expert(Matrix<const int>(chosen.data(), ids.rows(), ids.cols()), experts, first,
                   Matrix<int>(at.data(), ids.rows(), ids.cols()), from.data());
    memory<B>::write(places.data(), at.data(), n);
    memory<B>::write(sources, from.data(), n);
  }
  static void gather(B const& b, Matrix<const float> x, const int* sources, Matrix<float> y) {
    simt::each_element(b, y, kernels::GatherRows{x, sources, y});
  }
  static void gather_backward(B const& b, Matrix<const float> dy, Matrix<const int> places, Matrix<const float> base,
                              Matrix<float> dx) {
    simt::each_element(b, dx, kernels::SumRows{dy, places, {}, base, dx});
  }
  static void combine(B const& b, Matrix<const float> z, Matrix<const int> places, Matrix<const float> weights,
                      Matrix<const float> base, Matrix<float> y) {
    simt::each_element(b, y, kernels::SumRows{z, places, weights, base, y});
  }
  static void combine_backward(B const& b, Matrix<const float> dy, Matrix<const float> z, Matrix<const int> places,
                               Matrix<const float> weights, Matrix<float> dz, Matrix<float> dweights) {
    simt::each_row(b, dy.rows() * places.cols(), kernels::CombineBackward{dy, z, places, weights, dz, dweights});
  }
};

}  // namespace fauna::inline v0
