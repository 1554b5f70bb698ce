// PiSSA (Meng, Wang, Zhang 2024, "PiSSA: Principal singular values and singular vectors adaptation", section 3): LoRA
// that starts with the principal part of each weight, and trains beside what is left of it.
//   W = U Σ Vᵀ      A = √(Σ_r / s) V_rᵀ      B = U_r √(Σ_r / s)      W ← W − s B A
// In files it is a LoRA of twice the rank to the base itself: W − s B₀ A₀ + s B A = W + s [B, −B₀] [A; A₀].
#pragma once
#include <cmath>
#include <string>
#include <type_traits>
#include <vector>

#include <fauna/backend/memory.hpp>
#include <fauna/decode/adapter.hpp>
#include <fauna/ops/gemm/op.hpp>
#include <fauna/ops/scale/op.hpp>
#include <fauna/train/adapters.hpp>

namespace fauna::inline v0 {

namespace pissa_detail {

/// Rows become orthonormal, by Gram and Schmidt, twice, in double; one that depends on those before it becomes zeros.
inline void orthonormalise(Matrix<float> q) {
  std::vector<double> row(static_cast<std::size_t>(q.cols()));
  for (int v = 0; v < q.rows(); ++v) {
    double before = 0, norm = 0;
    for (int i = 0; i < q.cols(); ++i) {
      row[static_cast<std::size_t>(i)] = static_cast<double>(q(v, i));
      before += row[static_cast<std::size_t>(i)] * row[static_cast<std::size_t>(i)];
    }
    for (int twice = 0; twice < 2; ++twice)
      for (int u = 0; u < v; ++u) {
        double dot = 0;
        for (int i = 0; i < q.cols(); ++i) dot += static_cast<double>(q(u, i)) * row[static_cast<std::size_t>(i)];
        for (int i = 0; i < q.cols(); ++i) row[static_cast<std::size_t>(i)] -= dot * static_cast<double>(q(u, i));
      }
    for (const double x : row) norm += x * x;
    const double factor = norm > 1e-20 * before ? 1 / std::sqrt(norm) : 0;
    for (int i = 0; i < q.cols(); ++i) q(v, i) = static_cast<float>(factor * row[static_cast<std::size_t>(i)]);
  }
}

/// Eigenvectors of a symmetric matrix g [n, n], a column each, by Jacobi's rotations; g's diagonal has the eigenvalues
/// then, in no order.
inline std::vector<double> eigenvectors(std::vector<double>& g, int n) {
  const auto at = [n](int r, int c) { return static_cast<std::size_t>(r * n + c); };
  std::vector<double> v(g.size());
  for (int i = 0; i < n; ++i) v[at(i, i)] = 1;
  for (int sweep = 0; sweep < 30; ++sweep)
    for (int p = 0; p < n; ++p)
      for (int q = p + 1; q < n; ++q) {
        if (g[at(p, q)] == 0) continue;
        const double theta = (g[at(q, q)] - g[at(p, p)]) / (2 * g[at(p, q)]),
                     t = (theta < 0 ? -1 : 1) / (std::fabs(theta) + std::hypot(theta, 1.0)), c = 1 / std::hypot(t, 1.0),
                     s = t * c;
        const auto turn = [c, s](double& x, double& y) {
          const double was = x;
          x = c * was - s * y;
          y = s * was + c * y;
        };
        for (int k = 0; k < n; ++k) turn(g[at(k, p)], g[at(k, q)]);
        for (int k = 0; k < n; ++k) turn(g[at(p, k)], g[at(q, k)]);
        for (int k = 0; k < n; ++k) turn(v[at(k, p)], v[at(k, q)]);
      }
  return v;
}

}  // namespace pissa_detail

/// a [r, in] and b [out, r], so that scale · b a is the best approximation of w [out, in] of rank r: by iterations on a
/// subspace that is a little larger (Halko, Martinsson, Tropp 2011, "Finding structure with randomness", algorithm
/// 4.4). `key` draws where they start; the bits do not depend on the number of threads.
template <class B>
void principal_part(int threads, Matrix<const float> w, double scale, Key key, Matrix<float> a, Matrix<float> b) {
  constexpr int more = 8, iterations = 16;
  const int out = w.rows(), in = w.cols(), r = a.rows(), least = out < in ? out : in,
            k = r + more < least ? r + more : least;
  const std::size_t wide = gemm<B>::workspace(k, out, in, threads), tall = gemm<B>::workspace(k, in, out, threads);
  Scratch<B> scratch;
  scratch.grow(wide > tall ? wide : tall);
  const auto matrix_of = [](std::vector<float>& memory, int rows, int cols) {
    memory.resize(static_cast<std::size_t>(rows) * static_cast<std::size_t>(cols));
    return Matrix<float>(memory.data(), rows, cols);
  };
  std::vector<float> q_memory, y_memory;
  const auto q = matrix_of(q_memory, k, in), y = matrix_of(y_memory, k, out);  // vectors are rows here
  for (std::size_t i = 0; i < q_memory.size(); ++i) q_memory[i] = key.normal(i);
  pissa_detail::orthonormalise(q);
  const auto forth = [&] { gemm<B>::nt(scratch.backend(threads), as_const(q), w, y); };
  for (int i = 0; i < iterations; ++i) {
    forth();
    pissa_detail::orthonormalise(y);
    gemm<B>::nn(scratch.backend(threads), as_const(y), w, q);
    pissa_detail::orthonormalise(q);
  }
  forth();
  // W Qᵀ = Yᵀ = U Σ Eᵀ, of whose Gram matrix E and Σ² are found; W ≈ U Σ (Q E)ᵀ.
  const auto at = [k](int i, int j) { return static_cast<std::size_t>(i * k + j); };
  std::vector<double> gram(at(k, 0));
  for (int i = 0; i < k; ++i)
    for (int j = 0; j < k; ++j)
      for (int c = 0; c < out; ++c) gram[at(i, j)] += static_cast<double>(y(i, c)) * static_cast<double>(y(j, c));
  const std::vector<double> e = pissa_detail::eigenvectors(gram, k);
  std::vector<bool> taken(static_cast<std::size_t>(k));
  for (int n = 0; n < r; ++n) {
    int best = -1;  // the largest that is left; where the rank is larger than the matrix, none is
    for (int i = 0; i < k; ++i)
      if (!taken[static_cast<std::size_t>(i)] && (best < 0 || gram[at(i, i)] > gram[at(best, best)])) best = i;
    const double sigma = best < 0 || !(gram[at(best, best)] > 0) ? 0 : std::sqrt(gram[at(best, best)]),
                 root = std::sqrt(sigma / scale);
    if (best >= 0) taken[static_cast<std::size_t>(best)] = true;
    const auto combined = [&](Matrix<float> of, int c) {
      double sum = 0;
      for (int i = 0; i < k; ++i) sum += e[at(i, best)] * static_cast<double>(of(i, c));
      return sum;
    };
    for (int c = 0; c < in; ++c) a(n, c) = sigma > 0 ? static_cast<float>(root * combined(q, c)) : 0;
    for (int c = 0; c < out; ++c) b(c, n) = sigma > 0 ? static_cast<float>(root / sigma * combined(y, c)) : 0;
  }
}

/// Every layer's principal part goes into its adapter, and is taken out of its weight. The same seed gives the same
/// bits. After load_base from the same files: of weights that are held in fewer bits the principal part is that of the
/// files' numbers, and what is left of these is what is rounded.
template <class T> void start_principal(T& model, TensorFile const& from) {
  using B = typename T::backend;
  using M = typename T::model;
  constexpr double s = M::rewriting::config.scale();
  const B backend{model.threads()};
  std::vector<float> rows;
  Matrix<float> w, a;
  void* base = nullptr;
  void (*put)(B const&, void*, Matrix<const float>) = nullptr;
  M::visit(model.weights(), Place{}, [&](Tensor const& t, auto& v) {
    using V = std::remove_cvref_t<decltype(v)>;
    const std::string name = t.name();
    if (t.stored == kind::matrix && !is_adapter(name)) {
      base = &v;
      put = [](B const& b, void* to, Matrix<const float> left) { fill(b, *static_cast<V*>(to), left); };
      if (!name.ends_with(".weight")) return;
      rows = read_tensor<M>(from, t);
      w = Matrix<float>(rows.data(), t.rows, t.cols);
    }
    if constexpr (std::is_same_v<V, Matrix<float>>) {
      if (name.ends_with(".lora_A.weight")) a = v;
      if (!name.ends_with(".lora_B.weight")) return;
      principal_part<B>(model.threads(), as_const(w), s, Key{model.seed_value(), 0}.child(text_hash(name)), a, v);
      for (int o = 0; o < w.rows(); ++o)
        for (int n = 0; n < a.rows(); ++n) {
          const float factor = static_cast<float>(s) * v(o, n);
          for (int i = 0; i < w.cols(); ++i) w(o, i) -= factor * a(n, i);
        }
      put(backend, base, as_const(w));
    }
  });
}

/// Writes the difference of two adapters of one shape, to the base that the first would be beside if the second were
/// zeros: a LoRA of twice the rank.
inline void write_difference(std::string const& folder, Adapter const& trained, Adapter const& initial) {
  std::vector<SafeTensor> tensors;
  std::vector<std::vector<float>> numbers;
  const auto read = [](SafeTensor const& t) {
    std::vector<float> v(t.elements());
    read_floats(t, 0, v.size(), v.data());
    return v;
  };
  const auto add = [&](SafeTensor const& like, std::size_t rows, std::size_t cols, std::vector<float> values) {
    numbers.push_back(static_cast<std::vector<float>&&>(values));
    SafeTensor t = like;
    t.shape = {rows, cols};
    t.dtype = "F32";
    t.data = reinterpret_cast<const std::byte*>(numbers.back().data());
    t.bytes = numbers.back().size() * sizeof(float);
    tensors.push_back(t);
  };
  for (std::size_t l = 0; l < trained.layers().size(); ++l) {
    auto const &now = trained.layers()[l], &then = initial.layers()[l];
    const std::size_t r = now.a->shape[0], in = now.a->shape[1], out = now.b->shape[0];
    auto a = read(*now.a);
    const auto a0 = read(*then.a), b = read(*now.b), b0 = read(*then.b);
    a.insert(a.end(), a0.begin(), a0.end());
    std::vector<float> both;
    for (std::size_t o = 0; o < out; ++o) {
      for (std::size_t n = 0; n < r; ++n) both.push_back(b[o * r + n]);
      for (std::size_t n = 0; n < r; ++n) both.push_back(-b0[o * r + n]);
    }
    add(*now.a, 2 * r, in, static_cast<std::vector<float>&&>(a));
    add(*now.b, out, 2 * r, static_cast<std::vector<float>&&>(both));
  }
  AdapterConfig c = trained.config();
  c.rank *= 2;
  c.alpha *= c.rank_stabilised ? std::sqrt(2.0) : 2;  // the same scale
  write_safetensors(folder + "/adapter_model.safetensors", static_cast<std::vector<SafeTensor>&&>(tensors),
                    {{"format", "pt"}});
  write_adapter_config(folder, c);
}

}  // namespace fauna::inline v0
