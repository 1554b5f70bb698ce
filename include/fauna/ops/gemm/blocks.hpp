// Products with weights in blocks of small whole numbers (core/block_code.hpp), as they are: nothing is widened in
// memory. Activations are rounded to 8 bits, 32 to a block with a scale of their own, row by row:
//   e = max |x| / 127    p = x / e, rounded to nearest, ties to even
//   y_r = base + Σ over blocks, ascending, of  (e Σ p) m_r  and then  (e d_r) Σ w(q_r) p
// where halves have scales of their own, of either term the first half's and then the second's.
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
    const float inverse = most >= 0x1p-119F ? 127.0F / most : 0.0F;  // of what is less it would be infinite
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
///   d of the eight rows | m of them, where there is an offset | s of the first halves, and of the second, where there
///   are any, and then likewise t | the codes
/// with d and m in f16, or where they are wide in f32, and s and t in a byte.
/// Codes go in eight groups of four along k; of a group, byte 4 r + i is element i of row r. Whole bytes have a vector
/// of 32 a group. Smaller codes are made of fours, twos and ones, the lowest bits first:
///   4, 5, 6 bits   vectors v = 0 to 3 have four bits of group v in their low halves, and of group v + 4 in the high
///   2, 3, 6 bits   vectors v = 0, 1 have two bits of group 4 v + i as bits 2 i and 2 i + 1
///   3, 5 bits      a vector has a bit of group g as bit g
struct BlockPanels {
  static constexpr int NR = 8, groups = 8;

  int n, k;
  BlockCode code;

  constexpr int blocks() const { return k / BlockCode::elements; }
  constexpr int panels() const { return pieces(n, NR); }
  constexpr std::size_t scale() const { return code.wide ? 4 : 2; }
  constexpr std::size_t halves() const { return (code.offset ? 2 : 1) * NR * scale(); }  ///< where s begin
  constexpr std::size_t scales() const { return halves() + (!code.halves ? 0 : code.offset ? 4 * NR : 2 * NR); }
  constexpr std::size_t block_bytes() const { return scales() + static_cast<std::size_t>(32 * code.bits); }
  constexpr std::size_t panel_bytes() const { return block_bytes() * static_cast<std::size_t>(blocks()); }
  constexpr std::size_t bytes() const { return panel_bytes() * static_cast<std::size_t>(panels()); }
  constexpr std::size_t at(int row, int block) const {
    return static_cast<std::size_t>(row / NR) * panel_bytes() + static_cast<std::size_t>(block) * block_bytes();
  }

  static constexpr bool has_fours(int bits) { return bits >= 4 && bits < 8; }
  static constexpr bool has_twos(int bits) { return bits == 2 || bits == 3 || bits == 6; }
  static constexpr bool has_ones(int bits) { return bits == 3 || bits == 5; }
  static constexpr std::size_t twos(int bits) { return has_fours(bits) ? 128 : 0; }  ///< where these begin
  static constexpr std::size_t ones(int bits) { return twos(bits) + (has_twos(bits) ? 64 : 0); }

  /// Writes a block into memory that is zero.
  void put(std::byte* data, int row, int block, CodeBlock const& from) const {
    std::byte* to = data + at(row, block);
    const auto r = static_cast<std::size_t>(row % NR);
    put_scale(to + scale() * r, from.d);
    if (code.offset) put_scale(to + scale() * (NR + r), from.m);
    for (std::size_t h = 0; code.halves && h < 2; ++h) {
      to[halves() + NR * h + r] = std::byte(static_cast<std::uint8_t>(from.s[h]));
      if (code.offset) to[halves() + NR * (2 + h) + r] = std::byte(static_cast<std::uint8_t>(from.t[h]));
    }
    to += scales() + 4 * r;
    for (std::size_t j = 0; j < BlockCode::elements; ++j)
      each_part(j, [&](std::size_t byte, unsigned mask, int shift, int from_bit) {
        to[byte] |= std::byte((from.q[j] >> from_bit & mask) << shift);
      });
  }
  void get(const std::byte* data, int row, int block, CodeBlock& to) const {
    const std::byte* from = data + at(row, block);
    const auto r = static_cast<std::size_t>(row % NR);
    to.d = get_scale(from + scale() * r);
    to.m = code.offset ? get_scale(from + scale() * (NR + r)) : 0;
    for (std::size_t h = 0; h < 2; ++h) {
      to.s[h] = code.halves ? static_cast<std::int8_t>(from[halves() + NR * h + r]) : 1;
      to.t[h] = code.halves && code.offset ? static_cast<std::int8_t>(from[halves() + NR * (2 + h) + r]) : 1;
    }
    from += scales() + 4 * r;
    for (std::size_t j = 0; j < BlockCode::elements; ++j) {
      unsigned q = 0;
      each_part(j, [&](std::size_t byte, unsigned mask, int shift, int to_bit) {
        q |= (static_cast<unsigned>(from[byte]) >> shift & mask) << to_bit;
      });
      to.q[j] = static_cast<std::uint8_t>(q);
    }
  }

 private:
  /// f(byte, its bits, shifted by so many, the bit of q that they begin with) for the parts of element j.
  template <class F> void each_part(std::size_t j, F&& f) const {
    const std::size_t g = j / 4, i = j % 4;
    if (code.bits == 8) return f(32 * g + i, 255U, 0, 0);
    int bit = 0;
    if (has_fours(code.bits)) f(32 * (g % 4) + i, 15U, g < 4 ? 0 : 4, bit), bit += 4;
    if (has_twos(code.bits)) f(twos(code.bits) + 32 * (g / 4) + i, 3U, static_cast<int>(2 * (g % 4)), bit), bit += 2;
    if (has_ones(code.bits)) f(ones(code.bits) + i, 1U, static_cast<int>(g), bit);
  }
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

/// first = x times the bytes of the first halves, and x times those of the second.
FAUNA_INLINE void halve(simd::vfloat<8>& first, simd::vfloat<8>& x, const std::byte* bytes) {
  typedef std::int8_t bytes8 __attribute__((vector_size(8)));
  bytes8 a, b;
  std::memcpy(&a, bytes, sizeof a);
  std::memcpy(&b, bytes + sizeof a, sizeof b);
  first = x * __builtin_convertvector(a, simd::vfloat<8>);
  x *= __builtin_convertvector(b, simd::vfloat<8>);
}

/// v, its bytes' bits at `from` moved to `to`, where `mask` lets them through.
template <int From, int To, int Mask> FAUNA_INLINE void move_bits(bytes32& v) {
  if constexpr (From < To) v = (bytes32)((simd::vuint<8>)v << (To - From));
  if constexpr (From > To) v = (bytes32)((simd::vuint<8>)v >> (From - To));
  v &= static_cast<std::uint8_t>(Mask);
}

/// The codes of a block's group G: as they are, or what a table has for them and 128.
template <BlockCode C, int G> FAUNA_INLINE void read_group(bytes32& q, const std::byte* codes) {
  using P = BlockPanels;
  constexpr int bits = C.bits;
  if constexpr (bits == 8) {
    read_bytes(q, codes + 32 * G);
    return;
  }
  q = bytes32{};
  if constexpr (P::has_fours(bits)) {
    read_bytes(q, codes + 32 * (G % 4));
    move_bits < G<4 ? 0 : 4, 0, 15>(q);
  }
  if constexpr (P::has_twos(bits)) {
    constexpr int bit = P::has_fours(bits) ? 4 : 0;
    bytes32 v;
    read_bytes(v, codes + P::twos(bits) + 32 * (G / 4));
    move_bits<2 * (G % 4), bit, 3 << bit>(v);
    q |= v;
  }
  if constexpr (P::has_ones(bits)) {
    bytes32 v;
    read_bytes(v, codes + P::ones(bits));
    move_bits<G, bits - 1, 1 << (bits - 1)>(v);
    q |= v;
  }
  if constexpr (C.table != code_table::none) look_up(q, code_tables[static_cast<int>(C.table)]);
}

/// sums[R][8] += R rows of activations, `stride` blocks apart, times a panel.
template <byte_dot Dot, BlockCode C, int R>
__attribute__((noinline)) void block_rows(int blocks, const std::byte* w, const Activations* x, std::ptrdiff_t stride,
                                          float* sums) {
  constexpr int NR = BlockPanels::NR;
  constexpr BlockPanels panel{NR, BlockCode::elements, C};
  constexpr bool table = C.table != code_table::none;
  constexpr int zero = C.offset ? 0 : table ? 128 : C.zero;
  simd::vfloat<NR> y[R];
  FAUNA_UNROLL
  for (int r = 0; r < R; ++r) simd::load<NR>(y[r], sums + r * NR);
  for (int b = 0; b < blocks; ++b, w += panel.block_bytes(), ++x) {
    const std::byte* const codes = w + panel.scales();
    ByteSum<Dot, table ? 8 : C.bits> sum[R];
    simd::vint<NR> whole[R], first[R];
    const auto add = [&]<int G>() FAUNA_LANES {
      bytes32 q;
      read_group<C, G>(q, codes);
      FAUNA_UNROLL
      for (int r = 0; r < R; ++r) {
        std::int32_t four;
        std::memcpy(&four, x[r * stride].p + 4 * G, 4);
        sum[r].add(G, q, four);
        if constexpr (C.halves && G == BlockPanels::groups / 2 - 1) {
          sum[r].finish(first[r], zero, x[r * stride].first);
          sum[r] = {};
        }
      }
    };
    add.template operator()<0>(), add.template operator()<1>(), add.template operator()<2>();
    add.template operator()<3>(), add.template operator()<4>(), add.template operator()<5>();
    add.template operator()<6>(), add.template operator()<7>();
    simd::vfloat<NR> d, m{}, d_first{}, m_first{};
    read_scales<C.wide>(d, w);
    if constexpr (C.offset) read_scales<C.wide>(m, w + NR * panel.scale());
    if constexpr (C.halves) halve(d_first, d, w + panel.halves());
    if constexpr (C.halves && C.offset) halve(m_first, m, w + panel.halves() + 2 * NR);
    FAUNA_UNROLL
    for (int r = 0; r < R; ++r) {
      Activations const& a = x[r * stride];
      const int sum_of_x = C.halves ? a.sum - a.first : a.sum;
      sum[r].finish(whole[r], zero, sum_of_x);
      constexpr simd::vfloat<NR> none{};
      if constexpr (C.offset && C.halves) {
        add_product(y[r], m_first, none + a.e * static_cast<float>(a.first));
        add_product(y[r], m, none + a.e * static_cast<float>(sum_of_x));
      } else if constexpr (C.offset) {
        add_product(y[r], m, none + a.e_sum);
      }
      if constexpr (C.halves) add_product(y[r], __builtin_convertvector(first[r], simd::vfloat<NR>), d_first * a.e);
      add_product(y[r], __builtin_convertvector(whole[r], simd::vfloat<NR>), d * a.e);
    }
  }
  FAUNA_UNROLL
  for (int r = 0; r < R; ++r) simd::store<NR>(sums + r * NR, y[r]);
}

using BlockRows = void (*)(int, const std::byte*, const Activations*, std::ptrdiff_t, float*);
template <byte_dot Dot, int R, BlockCode... C> BlockRows one_of(BlockCode const& code) {
  BlockRows found = nullptr;
  ((code == C ? static_cast<void>(found = block_rows<Dot, C, R>) : static_cast<void>(0)), ...);
  return found;
}
/// Of every code that a format has (io/quants.hpp).
template <byte_dot Dot, int R> BlockRows block_rows_of(BlockCode const& code) {
  return one_of<Dot, R, BlockCode{4, 8}, BlockCode{4, 0, true}, BlockCode{5, 16}, BlockCode{5, 0, true},
                BlockCode{8, 128}, BlockCode{2, 0, true, false, true}, BlockCode{3, 4, false, false, true},
                BlockCode{4, 0, true, true}, BlockCode{5, 0, true, true}, BlockCode{6, 32, false, false, true},
                BlockCode{4, 0, false, false, false, code_table::nonlinear},
                BlockCode{4, 0, false, true, false, code_table::nonlinear},
                BlockCode{4, 0, false, true, false, code_table::e2m1}>(code);
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
      const float value = block(code, j % BlockCode::elements);
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
              (rows == R ? four : one)(blocks, data + p.at(j * NR, 0), a + static_cast<std::ptrdiff_t>(i) * blocks,
                                       blocks, sums);
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
