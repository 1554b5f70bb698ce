// Decoding on the CPU: one new row against the keys and values of a cache, which are read once, where they lie. W keys
// are transposed in registers, so that one vector holds W keys for a query, where tile.hpp has one key for W queries.
// Each score, sum and output is the same chain of operations as there, so a row has the same bits whichever way it
// went.
#pragma once
#include <cstddef>
#include <cstdint>
#include <cstring>

#include <fauna/ops/attention/op.hpp>
#include <fauna/ops/attention/tile.hpp>

namespace fauna::inline v0::attention_detail {

/// One thread's scratch, and what it does with the queries of one row that share a key head.
template <int W, int Size, unsigned Tag> class RowWorker {
  using K = kernels<W, Size, Tag>;
  using vector = simd::vfloat<W>;
  static constexpr int lines = Size * 4 / 64;  ///< cache lines of a head's row
  /// Vectors of a row's columns that are summed at once. Never one alone: for some processors GCC does not fuse the
  /// multiply-adds of a lone chain, as it does those of tile.hpp, and the bits would differ.
  static constexpr int NV = Size / W % 8 == 0 ? 8 : Size / W % 6 == 0 ? 6 : Size / W % 4 == 0 ? 4 : 2;
  /// With 32 registers four queries share what is read of the values.
  static constexpr int many = W == 16 ? 4 : 1;
  static constexpr int NV_many = many == 1 ? NV : Size / W % 6 == 0 ? 6 : Size / W % 4 == 0 ? 4 : 2;

 public:
  static constexpr bool fits = Size % (2 * W) == 0;

  constexpr explicit RowWorker(Arena& arena, int group) {
    const auto take = [&arena](int n) { return arena.template take<float>(static_cast<std::size_t>(n)); };
    rest_ = take(2 * W * Size);
    for (float** x : {&queries_, &sums_}) *x = take(group * Size);
    scores_ = take(group * block);
    for (float** x : {&most_, &total_, &factor_}) *x = take(group);
  }

  /// Queries q[group], q_stride apart, of the heads from `head` on, against `count` keys and values, `stride` apart:
  /// y[group]. `after`: the keys that are asked for meanwhile, since the next call wants them; may be null, as sinks.
  void forward(int group, int head, AttentionShape const& a, const float* sinks, const float* q, int q_stride,
               const float* k, const float* v, std::ptrdiff_t stride, int count, float* y, int y_stride,
               const float* after) {
    K::pack(queries_, q, q_stride, group, group, static_cast<float>(a.scale));
    std::memset(sums_, 0, sizeof(float) * static_cast<std::size_t>(group * Size));
    for (int i = 0; i < group; ++i) most_[i] = K::nothing, total_[i] = 0;
    if (sinks != nullptr)
      for (int i = 0; i < group; ++i) most_[i] = sinks[head + i], total_[i] = 1;
    const int reach = a.reach(count - 1), from = count > reach ? count - reach : 0;  // the first key that is seen
    const auto place = [&](int j) { return (a.ring > 0 ? j % a.ring : j) * stride; };
    for (int j = from / block * block; j < count; j += block) {
      const int n = count - j < block ? count - j : block;
      const float *block_k = k + place(j), *block_v = v + place(j);
      score_keys(group, block_k, block_v, stride, n);
      if (a.alibi > 0 || a.cap > 0) bend(group, head, a, j, n, count - 1);
      for (int i = 0; j < from && i < group; ++i)
        for (int r = 0; r < from - j; ++r) scores_[i * block + r] = -__builtin_inff();
      for (int i = 0; i < group; ++i) weigh(i, n);
      const float* const next = j + block < count ? k + place(j + block) : after;
      int i = 0;
      for (; i + many <= group; i += many) add_values<many, NV_many>(i, block_v, next, stride, n);
      for (; i < group; ++i) add_values<1, NV>(i, block_v, next, stride, n);
    }
    for (int i = 0; i < group; ++i)
      K::store(y + static_cast<std::ptrdiff_t>(i) * y_stride, sums_ + i * Size, 1.0F / total_[i]);
  }

 private:
  /// Asks for a row of a head that is soon used, perhaps one beyond the end of the cache.
  static FAUNA_INLINE void fetch(const float* from, std::ptrdiff_t elements) {
    const auto at = reinterpret_cast<std::uintptr_t>(from) + static_cast<std::uintptr_t>(elements) * sizeof(float);
    FAUNA_UNROLL
    for (int l = 0; l < lines; ++l)
      __builtin_prefetch(reinterpret_cast<const void*>(at + 64U * static_cast<unsigned>(l)));
  }

  /// Scores of all queries against a block's n keys, up to the next multiple of 2 W. `v`: the block's values, which are
  /// wanted next.
  void score_keys(int group, const float* k, const float* v, std::ptrdiff_t stride, int n) {
    for (int r = 0; r < n; r += 2 * W) {
      const float *keys = k + r * stride, *soon = v + r * stride;
      std::ptrdiff_t step = stride;
      if (n - r < 2 * W) {
        K::pack(rest_, keys, stride, n - r, 2 * W, 1);
        keys = rest_;
        step = Size;
      }
      int i = 0;
      for (; i + 3 < group; i += 4, soon = nullptr) dots<4>(i, keys, step, r, soon, stride);
      for (; i + 1 < group; i += 2, soon = nullptr) dots<2>(i, keys, step, r, soon, stride);
      if (i < group) dots<1>(i, keys, step, r, soon, stride);
    }
  }
  /// Scores of N queries, from i on, against 2 W keys, from r on: sums over the columns in ascending order. W keys more
  /// give the processor a second sum to go on with, since each waits for itself.
  template <int N>
  void dots(int i, const float* k, std::ptrdiff_t stride, int r, const float* v, std::ptrdiff_t v_stride) {
    const float* const q = queries_ + i * Size;
    vector sum[2][N]{};
    for (int d = 0; d < Size; d += W) {
      FAUNA_UNROLL
      for (int h = 0; h < 2; ++h) {
        vector x[W];
        FAUNA_UNROLL
        for (int l = 0; l < W; ++l) simd::load<W>(x[l], k + (h * W + l) * stride + d);
        transpose<W>(x);
        FAUNA_UNROLL
        for (int c = 0; c < W; ++c) {
          FAUNA_UNROLL
          for (int g = 0; g < N; ++g) {
            vector y;
            simd::broadcast<W>(y, q[g * Size + d + c]);
            sum[h][g] += x[c] * y;
          }
        }
      }
      if (v != nullptr) {
        for (int l = 2 * W * d / Size; l < 2 * W * (d + W) / Size; ++l) fetch(v, l * v_stride);
      }
    }
    FAUNA_UNROLL
    for (int g = 0; g < N; ++g) {
      simd::store<W>(scores_ + (i + g) * block + r, sum[0][g]);
      simd::store<W>(scores_ + (i + g) * block + r + W, sum[1][g]);
    }
  }

  /// Biases and caps the n scores of all queries, at `place`, against the keys from j on. A call, so that the loop of
  /// attention with neither stays small.
  [[gnu::noinline]] void bend(int group, int head, AttentionShape const& a, int j, int n, int place) {
    for (int i = 0; i < group; ++i) {
      float* const s = scores_ + i * block;
      const float slope = a.alibi > 0 ? alibi_slope(a, head + i) : 0;
      for (int r = 0; slope > 0 && r < n; r += W) {
        vector x, m, back{};  // back: the key's place minus the query's
        FAUNA_UNROLL
        for (int l = 0; l < W; ++l) back[l] = static_cast<float>(j + r + l - place);
        simd::load<W>(x, s + r);
        simd::broadcast<W>(m, slope);
        simd::store<W>(s + r, x + m * back);
      }
      if (a.cap > 0) K::bend(s, (n + 2 * W - 1) / (2 * W) * (2 * W), a.cap);
    }
  }

  /// The exponentials of query i's n scores over the new maximum.
  void weigh(int i, int n) {
    float* const s = scores_ + i * block;
    vector m;
    simd::broadcast<W>(m, most_[i]);
    const vector old = m;
    for (int j = n; j % W != 0; ++j) s[j] = -__builtin_inff();
    for (int j = 0; j < n; j += W) {
      vector x;
      simd::load<W>(x, s + j);
      m = x > m ? x : m;
    }
    simd::broadcast<W>(m, simd::max<W>(m));
    vector f;
    exp_of_difference<W>(f, old - m);
    for (int j = 0; j < n; j += W) {
      vector p;
      simd::load<W>(p, s + j);
      exp_of_difference<W>(p, p - m);
      simd::store<W>(s + j, p);
    }
    most_[i] = m[0];
    factor_[i] = f[0];
    float sum = total_[i] * f[0];
    for (int j = 0; j < n; ++j) sum += s[j];
    total_[i] = sum;
  }

  /// sums = sums times factor + Σ p_j v_j of N queries from i on.
  template <int N, int Vectors>
  void add_values(int i, const float* v, const float* next, std::ptrdiff_t stride, int n) {
    for (int d = 0; d < Size; d += Vectors * W)
      add_columns<N, Vectors>(i, d, v + d, i + d == 0 ? next : nullptr, stride, n);
  }
  template <int N, int Vectors>
  void add_columns(int i, int d, const float* v, const float* next, std::ptrdiff_t stride, int n) {
    float* const c = sums_ + i * Size + d;
    const float* const p = scores_ + i * block;
    vector sum[N][Vectors];
    FAUNA_UNROLL
    for (int q = 0; q < N; ++q) {
      vector f;
      simd::broadcast<W>(f, factor_[i + q]);
      FAUNA_UNROLL
      for (int l = 0; l < Vectors; ++l) {
        simd::load<W>(sum[q][l], c + q * Size + l * W);
        sum[q][l] *= f;
      }
    }
    for (int j = 0; j < n; ++j) {
      if (next != nullptr) fetch(next, j * stride);
      vector x[N];
      FAUNA_UNROLL
      for (int q = 0; q < N; ++q) simd::broadcast<W>(x[q], p[q * block + j]);
      FAUNA_UNROLL
      for (int l = 0; l < Vectors; ++l) {
        vector y;
        simd::load<W>(y, v + j * stride + l * W);
        FAUNA_UNROLL
        for (int q = 0; q < N; ++q) sum[q][l] += x[q] * y;
      }
    }
    FAUNA_UNROLL
    for (int q = 0; q < N; ++q) {
      FAUNA_UNROLL
      for (int l = 0; l < Vectors; ++l) simd::store<W>(c + q * Size + l * W, sum[q][l]);
    }
  }

  float* rest_ = nullptr;  ///< [2 W][Size]
  float *queries_ = nullptr, *sums_ = nullptr, *scores_ = nullptr;
  float *most_ = nullptr, *total_ = nullptr, *factor_ = nullptr;  ///< [query]
};

}  // namespace fauna::inline v0::attention_detail
