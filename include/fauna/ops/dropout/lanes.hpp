// Philox 4x32-10 (core/rng.hpp) for W blocks at a time. A word of W blocks is W lanes; a 32 x 32 bit product needs 64
// bits, so the products run in lanes of 64.
#pragma once
#include <fauna/backend/simd.hpp>
#include <fauna/core/rng.hpp>

namespace fauna::inline v0::simd {

/// high and low halves of a · m.
template <int W> FAUNA_INLINE void multiply(vuint<W>& high, vuint<W>& low, vuint<W> const& a, std::uint32_t m) {
  typedef std::uint64_t wide __attribute__((vector_size(W * 8)));
  const wide p = __builtin_convertvector(a, wide) * std::uint64_t{m};
  high = __builtin_convertvector(p >> 32, vuint<W>);
  low = __builtin_convertvector(p, vuint<W>);
}

/// out[4 W]: key.word(4 block), key.word(4 block + 1), ...: the words of the W blocks from `block`.
template <int W> FAUNA_INLINE void philox_words(std::uint32_t* out, Key key, std::uint64_t block) {
  auto k0 = static_cast<std::uint32_t>(key.seed), k1 = static_cast<std::uint32_t>(key.seed >> 32);
  vuint<W> c[4];
  for (int i = 0; i < W; ++i) {
    const std::uint64_t at = block + static_cast<std::uint64_t>(i);
    c[0][i] = static_cast<std::uint32_t>(at);
    c[1][i] = static_cast<std::uint32_t>(at >> 32);
  }
  c[2] = vuint<W>{} + static_cast<std::uint32_t>(key.stream);
  c[3] = vuint<W>{} + static_cast<std::uint32_t>(key.stream >> 32);
  for (int round = 0; round < 10; ++round) {
    vuint<W> h0, l0, h1, l1;
    multiply<W>(h0, l0, c[0], 0xD2511F53U);
    multiply<W>(h1, l1, c[2], 0xCD9E8D57U);
    c[0] = h1 ^ c[1] ^ k0;
    c[1] = l1;
    c[2] = h0 ^ c[3] ^ k1;
    c[3] = l0;
    k0 += 0x9E3779B9U;
    k1 += 0xBB67AE85U;
  }
  for (int i = 0; i < W; ++i)
    for (int w = 0; w < 4; ++w) out[4 * i + w] = c[w][i];
}

}  // namespace fauna::inline v0::simd
