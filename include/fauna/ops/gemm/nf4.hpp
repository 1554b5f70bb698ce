// Frozen weights in NF4 (core/nf4.hpp) as a storage: products read them through f32, some rows at a time, forward and
// backward (QLoRA, Dettmers et al. 2023, equation 5: Y = X dequant(W) + X A B). They have no gradient.
//   Trained<lora<M, c>, Cpu<>, WithNf4<float>>         the layers under the adapters in NF4, all else in f32
//   Trained<lora<M, c>, Cpu<>, WithNf4Twice<float>>    the absmax in eight bits as well (double quantisation)
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

/// The same with absmax of eight bits: W takes 4.13 bits a number in place of 4.5.
struct Nf4Twice {
  std::uint8_t *code = nullptr, *absmax = nullptr;
  float* scales = nullptr;  ///< one for 256 absmax, and behind them the offset of all
  int rows = 0, cols = 0;
  constexpr explicit operator bool() const { return code != nullptr; }
  constexpr std::size_t size() const { return static_cast<std::size_t>(rows) * static_cast<std::size_t>(cols); }
  constexpr std::size_t blocks() const { return (size() + nf4::block - 1) / nf4::block; }
  constexpr float* offset() const { return scales + (blocks() + nf4::absmax_block - 1) / nf4::absmax_block; }
};
struct Nf4TwiceOf : DecodedRows<Nf4TwiceOf> {
  Nf4Twice from{};
  constexpr explicit operator bool() const { return from.code != nullptr; }
  constexpr int rows() const { return from.rows; }
  constexpr int cols() const { return from.cols; }
  void decode(std::size_t first, std::size_t count, float* to) const {
    for (std::size_t i = first, end = first + count; i < end;) {
      const std::size_t block = i / nf4::block;
      float most;
      nf4::dequantise_absmax(from.absmax + block, from.scales + block / nf4::absmax_block, *from.offset(), 1, &most);
      for (; i < end && i / nf4::block == block; ++i) *to++ = nf4::code_of(from.code, i) * most;
    }
  }
};
constexpr void place(Nf4Twice& s, Tensor const& t, Arena& a) {
  s.rows = t.rows;
  s.cols = t.cols;
  s.code = a.take<std::uint8_t>((s.size() + 1) / 2);
  s.absmax = a.take<std::uint8_t>(s.blocks());
  s.scales = a.take<float>((s.blocks() + nf4::absmax_block - 1) / nf4::absmax_block + 1);
}
constexpr Nf4TwiceOf reading(Nf4Twice const& s) { return {{}, s}; }
template <class S> constexpr Matrix<S> gradient(Nf4Twice const&) { return {}; }

namespace nf4 {

/// Codes and absmax of rows of numbers.
template <class B, class S> void quantise(B const& b, Matrix<const S> rows, std::uint8_t* code, float* absmax) {
  const std::size_t width = static_cast<std::size_t>(rows.cols()), all = rows.size(),
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
      quantise(x, end - from, code + from / 2, absmax + from / block);
    }
  });
}

}  // namespace nf4

/// From rows of numbers, quantised.
template <class B, class S> void fill(B const& b, Nf4& to, Matrix<const S> rows) {
  nf4::quantise(b, rows, to.code, to.absmax);
}
template <class B, class S> void fill(B const& b, Nf4Twice& to, Matrix<const S> rows) {
  std::vector<float> absmax(to.blocks());
  nf4::quantise(b, rows, to.code, absmax.data());
  *to.offset() = nf4::quantise_absmax(absmax.data(), absmax.size(), to.absmax, to.scales);
}

/// A map of storages: what stands under adapters (FrozenOf) has its matrices in NF4.
template <class S, class Packed = Nf4> struct WithNf4 {
  template <kind> using storage = Matrix<S>;
  struct frozen {
    template <kind K> using storage = std::conditional_t<K == kind::matrix, Packed, Matrix<S>>;
  };
};
template <class S> using WithNf4Twice = WithNf4<S, Nf4Twice>;

}  // namespace fauna::inline v0
