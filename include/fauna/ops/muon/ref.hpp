#pragma once
#include <cmath>
#include <vector>

#include <fauna/ops/muon/op.hpp>

namespace fauna::inline v0 {

template <class S> struct muon<Ref<S>> {
  static constexpr std::size_t workspace(Matrices const&, int) { return 0; }

  static void step(Ref<S> const&, Segment<S> const& s, Matrices const& of, MuonStep const& a) {
    const MuonFactors f(a, s.decay, s.lr_scale, of);
    std::vector<S> u(of.size());
    for (int i = 0; i < of.count; ++i) {
      const std::size_t first = static_cast<std::size_t>(i) * of.size();
      for (std::size_t k = 0; k < of.size(); ++k) {
        const S g = s.gradient[first + k] * S(a.gradient_scale);
        S& m = s.m[first + k];
        m += (g - m) * S(1 - a.momentum);
        u[k] = g + (m - g) * S(a.momentum);
        if (a.clear_gradient) s.gradient[first + k] = S(0);
      }
      orthogonalise(u, of.rows, of.cols);
      for (std::size_t k = 0; k < of.size(); ++k)
        s.value[first + k] = s.value[first + k] * S(f.keep) - u[k] * S(f.size);
    }
  }

 private:
  /// Of x [rows, cols], transposed where it is tall, as published: products are those of the shorter side.
  static void orthogonalise(std::vector<S>& x, int rows, int cols) {
    using std::sqrt;
    using NS = NewtonSchulz;
    const bool tall = rows > cols;
    const auto n = static_cast<std::size_t>(tall ? cols : rows), k = x.size() / n;
    const auto at = [&](std::size_t i, std::size_t j) -> S& { return x[tall ? j * n + i : i * k + j]; };
    S squares(0);
    for (S const& v : x) squares += v * v;
    S norm = sqrt(squares);
    if (norm < S(NS::least_norm)) norm = S(NS::least_norm);
    for (S& v : x) v = v / norm;
    std::vector<S> gram(n * n), by(n * n), column(n);
    for (int t = 0; t < NS::steps; ++t) {
      for (std::size_t i = 0; i < n; ++i)
        for (std::size_t j = 0; j < n; ++j) {
          S sum(0);
          for (std::size_t l = 0; l < k; ++l) sum += at(i, l) * at(j, l);
          gram[i * n + j] = sum;
        }
      for (std::size_t i = 0; i < n; ++i)
        for (std::size_t j = 0; j < n; ++j) {
          S sum(0);
          for (std::size_t l = 0; l < n; ++l) sum += gram[i * n + l] * gram[l * n + j];
          by[i * n + j] = S(NS::b) * gram[i * n + j] + S(NS::c) * sum;
        }
      for (std::size_t j = 0; j < k; ++j) {
        for (std::size_t i = 0; i < n; ++i) {
          column[i] = S(NS::a) * at(i, j);
          for (std::size_t l = 0; l < n; ++l) column[i] += by[i * n + l] * at(l, j);
        }
        for (std::size_t i = 0; i < n; ++i) at(i, j) = column[i];
      }
    }
  }
};

}  // namespace fauna::inline v0
