// A counter-based generator: Philox 4x32-10 (Salmon, Moraes, Dror, Shaw 2011, "Parallel random numbers: as easy as
// 1, 2, 3", section 3.3). A draw is a pure function of (key, position), so masks and initial weights do not depend on
// the number of threads, and a backward pass redraws the mask of its forward pass instead of storing it.
#pragma once
#include <array>
#include <cmath>
#include <cstdint>

#include <fauna/core/version.hpp>

namespace fauna::inline v0 {

using Philox = std::array<std::uint32_t, 4>;

constexpr Philox philox(std::uint64_t key, std::uint64_t counter_high, std::uint64_t counter_low) {
  auto k0 = static_cast<std::uint32_t>(key), k1 = static_cast<std::uint32_t>(key >> 32);
  Philox c{static_cast<std::uint32_t>(counter_low), static_cast<std::uint32_t>(counter_low >> 32),
           static_cast<std::uint32_t>(counter_high), static_cast<std::uint32_t>(counter_high >> 32)};
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t p0 = std::uint64_t{0xD2511F53U} * c[0], p1 = std::uint64_t{0xCD9E8D57U} * c[2];
    c = {static_cast<std::uint32_t>(p1 >> 32) ^ c[1] ^ k0, static_cast<std::uint32_t>(p1),
         static_cast<std::uint32_t>(p0 >> 32) ^ c[3] ^ k1, static_cast<std::uint32_t>(p0)};
    k0 += 0x9E3779B9U;
    k1 += 0xBB67AE85U;
  }
  return c;
}

/// Names one stream of random numbers: a seed, narrowed step by step (`child`) on the way down the model.
struct Key {
  std::uint64_t seed{};
  std::uint64_t stream{};

  /// The key of part i. Different paths of children give different streams.
  constexpr Key child(std::uint64_t i) const {
    const Philox r = philox(stream, 0x6661756e61ULL, i);
    return {seed, (std::uint64_t{r[1]} << 32) | r[0]};
  }
  /// Four 32-bit words at a position of this stream.
  constexpr Philox words(std::uint64_t position) const { return philox(seed, stream, position); }
  /// One 32-bit word at a position: word (position mod 4) of block (position / 4).
  constexpr std::uint32_t word(std::uint64_t position) const { return words(position >> 2)[position & 3U]; }
  /// Uniform in [0, 1), 24 bits.
  constexpr float uniform(std::uint64_t position) const { return uniform_of(word(position)); }
  static constexpr float uniform_of(std::uint32_t word) { return static_cast<float>(word >> 8) * 0x1p-24F; }
  /// Standard normal by Box and Muller: positions 2i and 2i + 1 are the cosine and the sine of block i.
  float normal(std::uint64_t position) const {
    const Philox r = words(position >> 1);
    const double u = (static_cast<double>(r[0]) + 0.5) * 0x1p-32, v = static_cast<double>(r[1]) * 0x1p-32;
    const double radius = std::sqrt(-2.0 * std::log(u)), angle = 6.283185307179586476925 * v;
    return static_cast<float>((position & 1U) ? radius * std::sin(angle) : radius * std::cos(angle));
  }
};

}  // namespace fauna::inline v0
