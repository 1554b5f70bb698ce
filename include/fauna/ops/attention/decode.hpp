// Decoding on the CPU: one new row against the keys and values of a cache, which are read once, where they lie. A block
// of 64 keys is transposed, so that one vector holds W keys for a query, where tile.hpp has one key for W queries. Each
// score, sum and output is the same chain of operations as there, so a row has the same bits whichever way it went.
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

 public:
  static constexpr bool fits = Size % (2 * W) == 0;

  constexpr explicit RowWorker(Arena& arena, int group) {
    const auto take = [&arena](int n) { return arena.template take<float>(static_cast<std::size_t>(n)); };
    keys_T_ = take(Size * block);
    rest_ = take(W * Size);
    for (float** x : {&queries_, &sums_}) *x = take(group * Size);
    scores_ = take(group * block);
    for (float** x : {&most_, &total_, &factor_}) *x = take(group);
  }

  /// Queries q[group], q_stride apart, against `count` keys and values, `stride` apart: y[group]. `after`: the keys
  /// that are asked for meanwhile, since the next call wants them; may be null.
  void forward(int group, double scale, const float* q, int q_stride, const float* k, const float* v,
               std::ptrdiff_t stride, int count, float* y, int y_stride, const float* after) {
    K::pack(queries_, q, q_stride, group, group, static_cast<float>(scale));
    std::memset(sums_, 0, sizeof(float) * static_cast<std::size_t>(group * Size));
    for (int i = 0; i < group; ++i) most_[i] = K::nothing, total_[i] = 0;
    for (int j = 0; j < count; j += block) {
      const int n = count - j < block ? count - j : block;
      const float *block_k = k + j * stride, *block_v = v + j * stride;
      load_keys(block_k, block_v, stride, n);
      for (int i = 0; i < group; ++i) score(i, n);
      const float* const next = j + block < count ? block_k + block * stride : after;
      for (int i = 0; i < group; ++i) add_values(i, block_v, next, stride, n);
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

  /// Keys [0, n) of a block, transposed; the columns up to the next multiple of W are zero.
  void load_keys(const float* k, const float* v, std::ptrdiff_t stride, int n) {
    const int whole = n / W * W;
    for (int r = 0; r < whole; r += W) {
      FAUNA_UNROLL
      for (int i = 0; i < W; ++i) fetch(v, (r + i) * stride);
      transpose_rows<W, Tag>(keys_T_ + r, block, k + r * stride, static_cast<int>(stride), W, Size);
    }
    if (whole == n) return;
    K::pack(rest_, k + whole * stride, stride, n - whole, W, 1);
    transpose_rows<W, Tag>(keys_T_ + whole, block, rest_, Size, W, Size);
  }

  /// Scores of query i against the block's n keys, then their exponentials over the new maximum.
  void score(int i, int n) {
    constexpr int N = block / W < 8 ? block / W : 8;
    const float* q = queries_ + i * Size;
    float* const s = scores_ + i * block;
    vector m;
    simd::broadcast<W>(m, most_[i]);
    const vector old = m;
    for (int c = 0; c < n; c += N * W) {
      vector sum[N]{};
      for (int d = 0; d < Size; ++d) {
        vector x;
        simd::broadcast<W>(x, q[d]);
        FAUNA_UNROLL
        for (int l = 0; l < N; ++l) {
          vector y;
          simd::load<W>(y, keys_T_ + d * block + c + l * W);
          sum[l] += y * x;
        }
      }
      FAUNA_UNROLL
      for (int l = 0; l < N; ++l) simd::store<W>(s + c + l * W, sum[l]);
    }
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

  /// sums = sums times factor + Σ p_j v_j.
  void add_values(int i, const float* v, const float* next, std::ptrdiff_t stride, int n) {
    float* const c = sums_ + i * Size;
    const float* p = scores_ + i * block;
    vector f;
    simd::broadcast<W>(f, factor_[i]);
    for (int d = 0; d < Size; d += NV * W) add_columns(c + d, f, p, v + d, i + d == 0 ? next : nullptr, stride, n);
  }
  static void add_columns(float* c, vector const& f, const float* p, const float* v, const float* next,
                          std::ptrdiff_t stride, int n) {
    vector sum[NV];
    FAUNA_UNROLL
    for (int l = 0; l < NV; ++l) {
      simd::load<W>(sum[l], c + l * W);
      sum[l] *= f;
    }
    for (int j = 0; j < n; ++j) {
      if (next != nullptr) fetch(next, j * stride);
      vector x;
      simd::broadcast<W>(x, p[j]);
      FAUNA_UNROLL
      for (int l = 0; l < NV; ++l) {
        vector y;
        simd::load<W>(y, v + j * stride + l * W);
        sum[l] += x * y;
      }
    }
    FAUNA_UNROLL
    for (int l = 0; l < NV; ++l) simd::store<W>(c + l * W, sum[l]);
  }

  float *keys_T_ = nullptr, *rest_ = nullptr;  ///< [Size][block]; [W][Size]
  float *queries_ = nullptr, *sums_ = nullptr, *scores_ = nullptr;
  float *most_ = nullptr, *total_ = nullptr, *factor_ = nullptr;  ///< [query]
};

}  // namespace fauna::inline v0::attention_detail
