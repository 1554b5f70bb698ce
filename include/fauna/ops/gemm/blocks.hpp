// Products with weights in blocks of small whole numbers (core/block_code.hpp), as they are: nothing is widened in
// memory. Activations are rounded to 8 bits, 32 to a block with a scale of their own, row by row:
//   e = max |x| / 127    p = x / e, rounded to nearest, ties to even
//   y_r = base + Σ over blocks, ascending, of  (e Σ p) m_r  and then  (e d_r) Σ (q_r - zero) p
// or, where halves have scales of their own, of  (e d_r s_r) Σ (q_r - zero) p  of the first and then of the second.
// The inner sums are whole numbers and exact; lanes are rows of the weights, so that each output is one chain. A row's
// bits therefore depend neither on the number of rows nor on the number of threads, and where the machine can multiply
// and add in one rounding, not on its instructions either.
//   Blocks<B>      a storage of weights (core/storage.hpp): its code is a value, set before it is placed
//   BlocksOf<B>    what products and look-ups read of it
#pragma once
#include <cmath>

#include <fauna/core/block_code.hpp>
#include <fauna/ops/gemm/byte_dot.hpp>
#include <fauna/ops/gemm/cpu.hpp>

namespace fauna::inline v0 {

namespace gemm_detail {

/// 32 activations of a row.
struct Activations {
  std::int8_t p[BlockCode::elements];
  float e, e_sum;  ///< e, and e Σ p
  int sum, first;  ///< Σ p, and that of the first half
};

inline void quantise(const float* x, int k, Activations* to) {
  constexpr int n = BlockCode::elements;
  for (int from = 0; from < k; from += n, ++to) {
    float most = 0;
    for (int i = 0; i < n; ++i) most = std::fabs(x[from + i]) > most ? std::fabs(x[from + i]) : most;
    const float inverse = most > 0 ? 127.0F / most : 0.0F;
    int sum = 0;
    for (int i = 0; i < n; ++i) {
      if (i == n / 2) to->first = sum;
      constexpr float magic = 12582912.0F;  // 1.5 * 2^23: adding it rounds to a whole number
      const float rounded = (x[from + i] * inverse + magic) - magic;
      to->p[i] = static_cast<std::int8_t>(rounded);
      sum += to->p[i];
    }
    to->e = most / 127.0F;
    to->e_sum = to->e * static_cast<float>(sum);
    to->sum = sum;
  }
}

/// W [n, k] as panels of eight rows, the last one filled up with zeros. A panel has its blocks one after another, each
///   d of the eight rows | m of the eight rows, where there is an offset | s of the first halves, and of the second,
///   where there are any | the codes
/// with d and m in f16, or where they are wide in f32, and s in a byte.
/// Codes go in eight groups of four along k; of a group, byte 4 r + i is element i of row r. Whole bytes have a vector
/// of 32 a group. Of smaller ones, vector v has the lower four bits of groups v and v + 4 in its halves. Of five bits a
/// last vector has the fifth of group g as bit g; of six, two vectors have the fifth and sixth of group g, in vector
/// g / 4, as bits 2 (g % 4) and the next.
struct BlockPanels {
  static constexpr int NR = 8, groups = 8;

  int n, k;
  BlockCode code;

  constexpr int blocks() const { return k / BlockCode::elements; }
  constexpr int panels() const { return pieces(n, NR); }
  constexpr std::size_t scale() const { return code.wide ? 4 : 2; }
  constexpr std::size_t halves() const { return (code.offset ? 2 : 1) * NR * scale(); }  ///< where s begin
  constexpr std::size_t scales() const { return halves() + (code.halves ? 2 * NR : 0); }
  constexpr std::size_t block_bytes() const { return scales() + static_cast<std::size_t>(32 * code.bits); }
  constexpr std::size_t panel_bytes() const { return block_bytes() * static_cast<std::size_t>(blocks()); }
  constexpr std::size_t bytes() const { return panel_bytes() * static_cast<std::size_t>(panels()); }
  constexpr std::size_t at(int row, int block) const {
    return static_cast<std::size_t>(row / NR) * panel_bytes() + static_cast<std::size_t>(block) * block_bytes();
  }

  /// Writes a block into memory that is zero.
  void put(std::byte* data, int row, int block, CodeBlock const& from) const {
    std::byte* to = data + at(row, block);
    const auto r = static_cast<std::size_t>(row % NR);
    put_scale(to + scale() * r, from.d);
    if (code.offset) put_scale(to + scale() * (NR + r), from.m);
    for (std::size_t h = 0; code.halves && h < 2; ++h)
      to[halves() + NR * h + r] = std::byte(static_cast<std::uint8_t>(from.s[h]));
    to += scales() + 4 * r;
    for (std::size_t j = 0; j < BlockCode::elements; ++j) {
      const std::size_t g = j / 4, i = j % 4;
      const unsigned q = from.q[j];
      if (code.bits == 8) {
        to[32 * g + i] = std::byte(q);
      } else {
        to[32 * (g % 4) + i] |= std::byte((q & 15U) << (g < 4 ? 0 : 4));
        if (code.bits == 5) to[128 + i] |= std::byte((q >> 4) << g);
        if (code.bits == 6) to[128 + 32 * (g / 4) + i] |= std::byte((q >> 4) << 2 * (g % 4));
      }
    }
  }
  void get(const std::byte* data, int row, int block, CodeBlock& to) const {
    const std::byte* from = data + at(row, block);
    const auto r = static_cast<std::size_t>(row % NR);
    to.d = get_scale(from + scale() * r);
    to.m = code.offset ? get_scale(from + scale() * (NR + r)) : 0;
    for (std::size_t h = 0; h < 2; ++h)
      to.s[h] = code.halves ? static_cast<std::int8_t>(from[halves() + NR * h + r]) : 1;
    from += scales() + 4 * r;
    for (std::size_t j = 0; j < BlockCode::elements; ++j) {
      const std::size_t g = j / 4, i = j % 4;
      const auto byte = static_cast<unsigned>(from[32 * (code.bits == 8 ? g : g % 4) + i]);
      unsigned high = 0;
      if (code.bits == 5) high = static_cast<unsigned>(from[128 + i]) >> g & 1U;
      if (code.bits == 6) high = static_cast<unsigned>(from[128 + 32 * (g / 4) + i]) >> 2 * (g % 4) & 3U;
      to.q[j] = static_cast<std::uint8_t>(code.bits == 8 ? byte : (byte >> (g < 4 ? 0 : 4) & 15U) | high << 4);
    }
  }

 private:
  void put_scale(std::byte* to, float x) const {
    const f16 half(x);
    std::memcpy(to, code.wide ? static_cast<const void*>(&x) : &half, scale());
  }
  float get_scale(const std::byte* from) const {
    float x;
    f16 half;
    std::memcpy(code.wide ? static_cast<void*>(&x) : &half, from, scale());
    return code.wide ? x : static_cast<float>(half);
  }
};

/// The scales, or offsets, of eight rows.
template <bool Wide> inline void read_scales(simd::vfloat<8>& to, const std::byte* from) {
  if constexpr (Wide) std::memcpy(&to, from, sizeof to);
  else read_halves(to, from);
}

/// Those of halves.
FAUNA_INLINE void read_signed(simd::vfloat<8>& to, const std::byte* from) {
  typedef std::int8_t bytes8 __attribute__((vector_size(8)));
  bytes8 s;
  std::memcpy(&s, from, sizeof s);
  to = __builtin_convertvector(s, simd::vfloat<8>);
}

/// sums[R][8] += R rows of activations, `stride` blocks apart, times a panel.
template <byte_dot Dot, int Bits, bool Offset, bool Wide, bool Halves, int R>
__attribute__((noinline)) void block_rows(int blocks, int zero, const std::byte* w, const Activations* x,
                                          std::ptrdiff_t stride, float* sums) {
  constexpr int NR = BlockPanels::NR;
  constexpr std::size_t scale_bytes = Wide ? 4 : 2, halves = (Offset ? 2 : 1) * NR * scale_bytes,
                        scales = halves + (Halves ? 2 * NR : 0);
  simd::vfloat<NR> y[R];
  FAUNA_UNROLL
  for (int r = 0; r < R; ++r) simd::load<NR>(y[r], sums + r * NR);
  for (int b = 0; b < blocks; ++b, w += scales + 32 * Bits, ++x) {
    const std::byte* const codes = w + scales;
    ByteSum<Dot, Bits> sum[R];
    simd::vint<NR> whole[R], first[R];
    bytes32 high{};
    if constexpr (Bits == 5) read_bytes(high, codes + 128);
    FAUNA_UNROLL
    for (int g = 0; g < BlockPanels::groups; ++g) {
      bytes32 q;
      read_bytes(q, codes + 32 * (Bits == 8 ? g : g % 4));
      if constexpr (Bits < 8) q = (g < 4 ? q : (bytes32)((simd::vuint<8>)q >> 4)) & 15;
      if constexpr (Bits == 5)
        q |= (bytes32)(g < 4 ? (simd::vuint<8>)high << (4 - g) : (simd::vuint<8>)high >> (g - 4)) & 16;
      if constexpr (Bits == 6) {
        if (g % 4 == 0) read_bytes(high, codes + 128 + 8 * g);
        const int at = 2 * (g % 4);
        q |= (bytes32)(at < 4 ? (simd::vuint<8>)high << (4 - at) : (simd::vuint<8>)high >> (at - 4)) & 48;
      }
      FAUNA_UNROLL
      for (int r = 0; r < R; ++r) {
        std::int32_t four;
        std::memcpy(&four, x[r * stride].p + 4 * g, 4);
        sum[r].add(g, q, four);
        if (Halves && g == BlockPanels::groups / 2 - 1) {
          sum[r].finish(first[r], zero, x[r * stride].first);
          sum[r] = {};
        }
      }
    }
    simd::vfloat<NR> d, m{}, of_first{}, of_second{};
    read_scales<Wide>(d, w);
    if constexpr (Offset) read_scales<Wide>(m, w + NR * scale_bytes);
    if constexpr (Halves) {
      read_signed(of_first, w + halves);
      read_signed(of_second, w + halves + NR);
      of_first *= d;
      d *= of_second;
    }
    FAUNA_UNROLL
    for (int r = 0; r < R; ++r) {
      Activations const& a = x[r * stride];
      sum[r].finish(whole[r], Offset ? 0 : zero, Halves ? a.sum - a.first : a.sum);
      if constexpr (Offset) y[r] += m * a.e_sum;
      if constexpr (Halves) {
        const simd::vfloat<NR> scale = of_first * a.e;
        y[r] += __builtin_convertvector(first[r], simd::vfloat<NR>) * scale;
      }
      const simd::vfloat<NR> scale = d * a.e;
      y[r] += __builtin_convertvector(whole[r], simd::vfloat<NR>) * scale;
    }
  }
  FAUNA_UNROLL
  for (int r = 0; r < R; ++r) simd::store<NR>(sums + r * NR, y[r]);
}

using BlockRows = void (*)(int, int, const std::byte*, const Activations*, std::ptrdiff_t, float*);
template <byte_dot Dot, int R> BlockRows block_rows_of(BlockCode const& c) {
  if (c.wide) return c.bits == 5 ? block_rows<Dot, 5, true, true, false, R> : block_rows<Dot, 4, true, true, false, R>;
  if (c.halves)
    return c.bits == 6 ? block_rows<Dot, 6, false, false, true, R> : block_rows<Dot, 4, false, false, true, R>;
  if (c.bits == 8) return block_rows<Dot, 8, false, false, false, R>;
  if (c.bits == 5)
    return c.offset ? block_rows<Dot, 5, true, false, false, R> : block_rows<Dot, 5, false, false, false, R>;
  return c.offset ? block_rows<Dot, 4, true, false, false, R> : block_rows<Dot, 4, false, false, false, R>;
}

}  // namespace gemm_detail

/// A matrix [rows, cols] in blocks, or, where its code has no bits, in the panels of `packed<B>`.
template <class B> struct BlocksOf {
  static constexpr gemm_detail::byte_dot dot = gemm_detail::dot_on<B::tile>;

  const std::byte* data = nullptr;
  int n = 0, k = 0;
  BlockCode code{};

  constexpr explicit operator bool() const { return data != nullptr; }
  constexpr int rows() const { return n; }
  constexpr int cols() const { return k; }
  Matrix<const packed<B>> dense() const {
    return Matrix<const packed<B>>(reinterpret_cast<const packed<B>*>(data), n, k);
  }
  gemm_detail::BlockPanels panels() const { return {n, k, code}; }

  /// y [m, n] = base + x Wᵀ, as gemm<B>::nt. It takes no more scratch than gemm<B>::workspace says.
  void product(B const& b, Matrix<const float> x, Matrix<float> y, Epilogue<float> const& e) const {
    if (code.bits == 0) return gemm<B>::nt(b, x, dense(), y, e);
    const auto blocks = static_cast<std::size_t>(panels().blocks());
    const std::size_t row_bytes = blocks * sizeof(gemm_detail::Activations);
    const std::size_t room = gemm<B>::workspace(x.rows(), n, k, b.threads) - aligned(SharedLoop::bytes(b.threads));
    const std::size_t fit = (room - alignment) / row_bytes;
    const int most = fit < static_cast<std::size_t>(x.rows()) ? static_cast<int>(fit) : x.rows();
    for (int from = 0; from < x.rows(); from += most) {
      const Scope scope(*b.scratch);
      const int m = x.rows() - from < most ? x.rows() - from : most;
      auto* const a = b.scratch->template take<gemm_detail::Activations>(static_cast<std::size_t>(m) * blocks);
      parallel_for(b.threads, m, 1 + 16384 / k, [&](int first, int last) {
        for (int r = first; r < last; ++r)
          gemm_detail::quantise(x.row(from + r), k, a + static_cast<std::size_t>(r) * blocks);
      });
      rows_times(b, a, from, m, y, e);
    }
  }
  /// to = before + row r; before may be null or `to`.
  void row(int r, const float* before, float* to) const {
    if (code.bits == 0) return gemm<B>::unpack_row(dense(), r, before, to);
    CodeBlock block{};
    for (int j = 0; j < k; ++j) {
      if (j % BlockCode::elements == 0) panels().get(data, r, j / BlockCode::elements, block);
      const int i = j % BlockCode::elements, q = block.q[i] - (code.offset ? 0 : code.zero);
      const float d = block.d * static_cast<float>(block.s[i / (BlockCode::elements / 2)]);
      const float value = d * static_cast<float>(q) + block.m;
      to[j] = before ? before[j] + value : value;
    }
  }

 private:
  /// Rows [from, from + m) of y, from activations that are ready.
  void rows_times(B const& b, const gemm_detail::Activations* a, int from, int m, Matrix<float> y,
                  Epilogue<float> const& e) const {
    using namespace gemm_detail;
    constexpr int NR = BlockPanels::NR, R = 4;
    const BlockPanels p = panels();
    const int blocks = p.blocks();
    const auto one = block_rows_of<dot, 1>(code), four = block_rows_of<dot, R>(code);
    // so many rows of activations stay in the second-level cache while panels go by
    const int chunk = least(m, up_to(pieces(196608 / static_cast<int>(sizeof(Activations)), blocks), R));
    const int threads = static_cast<long long>(n) * k * m < worth_a_thread ? 1 : least(b.threads, p.panels());
    const SharedLoop loop(*b.scratch, threads, p.panels(), m <= few_rows ? 4 : 16);
    parallel(threads, [&](Team team) {
      loop.run(team, [&](int first, int last) {
        for (int i0 = 0; i0 < m; i0 += chunk)
          for (int j = first; j < last; ++j)
            for (int i = i0; i < least(i0 + chunk, m);) {
              const int rows = least(i0 + chunk, m) - i >= R ? R : 1, cols = least(NR, n - j * NR);
              alignas(32) float sums[R * NR]{};
              for (int r = 0; e.base && r < rows; ++r)
                std::memcpy(sums + r * NR, e.base + static_cast<std::ptrdiff_t>(from + i + r) * e.base_stride + j * NR,
                            sizeof(float) * static_cast<std::size_t>(cols));
              (rows == R ? four : one)(blocks, code.zero, data + p.at(j * NR, 0),
                                       a + static_cast<std::ptrdiff_t>(i) * blocks, blocks, sums);
              float* const out = y.row(from + i) + j * NR;
              for (int r = 0; r < rows; ++r)
                std::memcpy(out + r * static_cast<std::ptrdiff_t>(y.stride()), sums + r * NR,
                            sizeof(float) * static_cast<std::size_t>(cols));
              if (finishes(e)) finish<B>(e, from + i, j * NR, rows, cols, out, y.stride());
              i += rows;
            }
      });
    });
  }
};

/// The storage.
template <class B> struct Blocks {
  BlockCode code{};  ///< set before it is placed
  std::byte* data = nullptr;
  int rows = 0, cols = 0;
  constexpr explicit operator bool() const { return data != nullptr; }
};

template <class B> constexpr void place(Blocks<B>& s, Tensor const& t, Arena& a) {
  s.rows = t.rows;
  s.cols = t.cols;
  s.data = a.take<std::byte>(s.code.bits == 0 ? gemm<B>::packed_bytes(t.rows, t.cols)
                                              : gemm_detail::BlockPanels{t.rows, t.cols, s.code}.bytes());
}
template <class B> constexpr BlocksOf<B> reading(Blocks<B> const& s) { return {s.data, s.rows, s.cols, s.code}; }
template <class S, class B> constexpr Matrix<S> gradient(Blocks<B> const&) { return {}; }

}  // namespace fauna::inline v0
