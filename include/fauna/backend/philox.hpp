// Philox 4x32-10 (core/rng.hpp) for W blocks at a time: word k of W blocks is a vector.
#pragma once
#include <utility>

#include <fauna/backend/simd.hpp>
#include <fauna/core/rng.hpp>

namespace fauna::inline v0::simd {

/// The high and low halves of a · m in 64 bits, even and odd lanes apart.
template <int W> FAUNA_INLINE void multiply(vuint<W>& high, vuint<W>& low, vuint<W> const& a, std::uint32_t m) {
  typedef std::uint64_t wide __attribute__((vector_size(W * 4)));
  constexpr std::uint64_t half = 0xffffffffU;
  const wide even = ((wide)a & half) * std::uint64_t{m}, odd = ((wide)a >> 32) * std::uint64_t{m};
  low = (vuint<W>)((even & half) | (odd << 32));
  high = (vuint<W>)((even >> 32) | (odd & ~half));
}

/// from, from + 1, ...
template <int W, int... I> FAUNA_INLINE void count(vuint<W>& v, std::uint32_t from, std::integer_sequence<int, I...>) {
  v = vuint<W>{static_cast<std::uint32_t>(I)...} + from;
}
/// a0 b0 a1 b1 ...: the first W of them in `first`, the others in `second`.
template <int W, int... I>
FAUNA_INLINE void zip(vuint<W>& first, vuint<W>& second, vuint<W> const& a, vuint<W> const& b,
                      std::integer_sequence<int, I...>) {
  first = __builtin_shufflevector(a, b, (I / 2 + (I % 2) * W)...);
  second = __builtin_shufflevector(a, b, (I / 2 + W / 2 + (I % 2) * W)...);
}

/// out[4 W]: key.word(4 block), key.word(4 block + 1), ...: the words of the W blocks from `block`.
template <int W> FAUNA_INLINE void philox_words(std::uint32_t* out, Key key, std::uint64_t block) {
  constexpr std::make_integer_sequence<int, W> lanes;
  auto k0 = static_cast<std::uint32_t>(key.seed), k1 = static_cast<std::uint32_t>(key.seed >> 32);
  const auto start = static_cast<std::uint32_t>(block);
  vuint<W> c0;
  count<W>(c0, start, lanes);
  const vuint<W> carry = (vuint<W>)(c0 < start);  // all ones, -1, where the lower word wrapped
  vuint<W> c1 = static_cast<std::uint32_t>(block >> 32) - carry;
  vuint<W> c2 = vuint<W>{} + static_cast<std::uint32_t>(key.stream);
  vuint<W> c3 = vuint<W>{} + static_cast<std::uint32_t>(key.stream >> 32);
  for (int round = 0; round < 10; ++round) {
    vuint<W> h0, l0, h1, l1;
    multiply<W>(h0, l0, c0, 0xD2511F53U);
    multiply<W>(h1, l1, c2, 0xCD9E8D57U);
    c0 = h1 ^ c1 ^ k0;
    c1 = l1;
    c2 = h0 ^ c3 ^ k1;
    c3 = l0;
    k0 += 0x9E3779B9U;
    k1 += 0xBB67AE85U;
  }
  // from word by word to block by block: zip (0, 2) with (1, 3)
  vuint<W> even[2], odd[2], blocks[4];
  zip<W>(even[0], even[1], c0, c2, lanes);
  zip<W>(odd[0], odd[1], c1, c3, lanes);
  zip<W>(blocks[0], blocks[1], even[0], odd[0], lanes);
  zip<W>(blocks[2], blocks[3], even[1], odd[1], lanes);
  std::memcpy(out, blocks, sizeof blocks);
}

}  // namespace fauna::inline v0::simd
