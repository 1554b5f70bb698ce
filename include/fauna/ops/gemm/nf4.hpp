// Frozen weights in NF4 (core/nf4.hpp) as a storage: products read them through f32, some rows at a time, forward and
// backward (QLoRA, Dettmers et al. 2023, equation 5: Y = X dequant(W) + X A B). They have no gradient.
//   Trained<lora<M, c>, Cpu<>, WithNf4<float>>     the layers under the adapters in NF4, all else in f32
#pragma once
#include <fauna/core/nf4.hpp>
#include <fauna/core/storage.hpp>
#include <fauna/ops/gemm/decoded.hpp>

namespace fauna::inline v0 {

/// The storage: codes and absmax of W [rows, cols], row by row, in blocks that pass over the ends of rows.
struct Nf4 {
  std::uint8_t* code = nullptr;
  float* absmax = nullptr;
  int rows = 0, cols = 0;
  constexpr explicit operator bool() const { return code != nullptr; }
  constexpr std::size_t size() const { return static_cast<std::size_t>(rows) * static_cast<std::size_t>(cols); }
};

/// What products read of it.
struct Nf4Of : DecodedRows<Nf4Of> {
  const std::uint8_t* code = nullptr;
  const float* absmax = nullptr;
  int n = 0, k = 0;
  constexpr explicit operator bool() const { return code != nullptr; }
  constexpr int rows() const { return n; }
  constexpr int cols() const { return k; }
  void decode(std::size_t first, std::size_t count, float* to) const {
    nf4::dequantise(code, absmax, first, count, to);
  }
};

constexpr void place(Nf4& s, Tensor const& t, Arena& a) {
  s.rows = t.rows;
  s.cols = t.cols;
  s.code = a.take<std::uint8_t>((s.size() + 1) / 2);
  s.absmax = a.take<float>((s.size() + nf4::block - 1) / nf4::block);
}
constexpr Nf4Of reading(Nf4 const& s) { return {{}, s.code, s.absmax, s.rows, s.cols}; }
template <class S> constexpr Matrix<S> gradient(Nf4 const&) { return {}; }

/// From rows of numbers, quantised.
template <class B, class S> void fill(B const& b, Nf4& to, Matrix<const S> rows) {
  const std::size_t width = static_cast<std::size_t>(to.cols), all = to.size(),
                    blocks = (all + nf4::block - 1) / nf4::block;
  constexpr std::size_t at_once = 64;
  const int parts = static_cast<int>((blocks + at_once - 1) / at_once);
  parallel_for(b.threads, parts, 1, [&](int first, int last) {
    float x[at_once * nf4::block];
    for (int p = first; p < last; ++p) {
      const std::size_t from = static_cast<std::size_t>(p) * at_once * nf4::block,
                        end = from + at_once * nf4::block < all ? from + at_once * nf4::block : all;
      for (std::size_t i = from; i < end; ++i)
        x[i - from] = static_cast<float>(rows(static_cast<int>(i / width), static_cast<int>(i % width)));
      nf4::quantise(x, end - from, to.code + from / 2, to.absmax + from / nf4::block);
    }
  });
}

/// A map of storages: what stands under adapters (FrozenOf) has its matrices in NF4.
template <class S> struct WithNf4 {
  template <kind> using storage = Matrix<S>;
  struct frozen {
    template <kind K> using storage = std::conditional_t<K == kind::matrix, Nf4, Matrix<S>>;
  };
};

}  // namespace fauna::inline v0
