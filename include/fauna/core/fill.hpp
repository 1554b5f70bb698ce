// The initial values that an Init stands for (core/init.hpp).
#pragma once
#include <cmath>
#include <vector>

#include <fauna/core/tensor.hpp>

namespace fauna::inline v0 {

/// The whole matrix by Gram and Schmidt, twice, in double; rows are longer than they are many, or the roles change.
inline void fill_orthogonal(Filling const& f, double gain, float* to) {
  const bool wide = f.rows <= f.cols;
  const int n = wide ? f.rows : f.cols, length = wide ? f.cols : f.rows;
  const auto at = [length](int v, int i) {
    return static_cast<std::size_t>(v) * static_cast<std::size_t>(length) + static_cast<std::size_t>(i);
  };
  std::vector<double> q(at(n, 0));
  for (int v = 0; v < n; ++v) {
    for (int i = 0; i < length; ++i)
      q[at(v, i)] = static_cast<double>(f.key.normal(wide ? f.index(v, i) : f.index(i, v)));
    for (int twice = 0; twice < 2; ++twice) {
      for (int u = 0; u < v; ++u) {
        double dot = 0;
        for (int i = 0; i < length; ++i) dot += q[at(u, i)] * q[at(v, i)];
        for (int i = 0; i < length; ++i) q[at(v, i)] -= dot * q[at(u, i)];
      }
      double norm = 0;
      for (int i = 0; i < length; ++i) norm += q[at(v, i)] * q[at(v, i)];
      for (int i = 0; i < length; ++i) q[at(v, i)] /= std::sqrt(norm);
    }
  }
  f.each(to, [&](int r, int c) { return gain * (wide ? q[at(r, c)] : q[at(c, r)]); });
}

/// Writes those rows, [to - from, cols], one after another.
inline void fill(Init const& init, Filling const& f, float* to) {
  const double a = static_cast<double>(init.a), depth = init.by_depth && f.layers > 0 ? std::sqrt(2.0 * f.layers) : 1,
               b = static_cast<double>(init.b) / depth;
  const auto uniform = [&](int r, int c) { return static_cast<double>(f.key.uniform(f.index(r, c))); };
  switch (init.form) {
    case draw::constant: f.each(to, [&](int, int) { return a; }); break;
    case draw::normal: {
      const float deviation = static_cast<float>(b);
      f.each(to, [&](int r, int c) { return deviation * f.key.normal(f.index(r, c)); });
      break;
    }
    case draw::truncated_normal:
      f.each(to, [&](int r, int c) {
        Key again = f.key;  // a draw too far away is made anew
        for (std::uint64_t i = 0;; again = f.key.child(i++))
          if (const double x = static_cast<double>(again.normal(f.index(r, c))); std::fabs(x) <= a) return b * x;
      });
      break;
    case draw::uniform: f.each(to, [&](int r, int c) { return a + (b - a) * uniform(r, c); }); break;
    case draw::orthogonal: fill_orthogonal(f, b, to); break;
    case draw::log_column: f.each(to, [](int, int c) { return std::log(1.0 + c); }); break;
    case draw::inverse_softplus:
      f.each(to, [&](int r, int c) {
        const double x = std::exp(std::log(a) + (std::log(b) - std::log(a)) * uniform(r, c));
        return x + std::log(-std::expm1(-x));
      });
      break;
  }
}

/// Initial values of rows [from, to) of a tensor, by its name and the seed.
inline void fill(Tensor const& t, std::uint64_t seed, int from, int to, float* values) {
  const Filling f{.key = Key{seed, 0}.child(text_hash(t.name())),
                  .rows = t.rows,
                  .cols = t.cols,
                  .from = from,
                  .to = to,
                  .layer = t.at.layer,
                  .layers = t.at.layers};
  if (t.draw_rows != nullptr) t.draw_rows(f, values);
  else fill(t.init, f, values);
}

}  // namespace fauna::inline v0
