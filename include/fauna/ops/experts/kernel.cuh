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
      if (places(r, j) < 0) continue;
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
    for (int c = t.lane(); place >= 0 && c < dy.cols(); c += warp_size) {
      dot += dy(r, c) * z(place, c);
      dz(place, c) = weights(r, j) * dy(r, c);
    }
    dot = simt::warp_sum(t, dot);
    if (t.lane() == 0) dweights(r, j) = dot;
  }
};

/// y_{place_rj} = w_rj x_r; without weights, w = 1. An item is a choice of a row.
struct ScatterRows {
  Matrix<const float> x;
  Matrix<const int> places;
  Matrix<const float> weights;
  Matrix<float> y;
  FAUNA_KERNEL void operator()(int item, int c) const {
    const int r = item / places.cols(), j = item % places.cols(), place = places(r, j);
    if (place >= 0) y(place, c) = weights ? weights(r, j) * x(r, c) : x(r, c);
  }
};
/// A warp for each choice of a row.
struct RowDots {
  Matrix<const float> x, z;
  Matrix<const int> places;
  Matrix<float> w;
  template <class T> FAUNA_KERNEL void operator()(T const& t, int item) const {
    const int r = item / places.cols(), j = item % places.cols(), place = places(r, j);
    float dot = 0;
    for (int c = t.lane(); place >= 0 && c < x.cols(); c += warp_size) dot += x(r, c) * z(place, c);
    dot = simt::warp_sum(t, dot);
    if (t.lane() == 0) w(r, j) = dot;
  }
};

}  // namespace kernels

template <Device B> struct expert_rows<B> {
  template <class F>
  static void on_host(B const&, Matrix<const int> ids, Matrix<const float> weights, Matrix<int> places, int* sources,
                      int most, F&& f) {
    const OnHost<B, int> chosen(ids.data(), ids.size());
    const OnHost<B, float> how_much(weights.data(), weights.size());
    std::vector<int> at(ids.size()), from(static_cast<std::size_t>(most));
    f(Matrix<const int>(chosen.data(), ids.rows(), ids.cols()),
      Matrix<const float>(how_much.data(), ids.rows(), ids.cols()), Matrix<int>(at.data(), ids.rows(), ids.cols()),
      from.data());
    memory<B>::write(places.data(), at.data(), at.size());
    memory<B>::write(sources, from.data(), from.size());
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
  static void scatter(B const& b, Matrix<const float> x, Matrix<const int> places, Matrix<const float> weights,
                      Matrix<float> y) {
    simt::each_element(b, x.rows() * places.cols(), x.cols(), kernels::ScatterRows{x, places, weights, y});
  }
  static void dots(B const& b, Matrix<const float> x, Matrix<const float> z, Matrix<const int> places,
                   Matrix<float> w) {
    simt::each_row(b, x.rows() * places.cols(), kernels::RowDots{x, z, places, w});
  }
};

}  // namespace fauna::inline v0
