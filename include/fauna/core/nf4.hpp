// NF4, a number in four bits (Dettmers et al. 2023, "QLoRA: Efficient finetuning of quantized LLMs", section 3), as
// PyPI's bitsandbytes has it, to the bit. Numbers stand in blocks of 64, a code each and an absmax a block:
//   x_j = code[q_j] · absmax        absmax = max |x_j|;  q_j: the nearest of the 16 codes to x_j / absmax
// The codes are the quantiles of a normal distribution, so that each is as frequent as any other; one of them is 0. A
// byte has two codes, the first in its high half. Double quantisation has the absmax in eight bits as well:
//   absmax_i = map[p_i] · m + offset      blocks of 256, m the largest |absmax_i - offset|, offset the mean of all
// where map has 255 numbers of 7 magnitudes, and 0.
#pragma once
#include <cmath>
#include <cstddef>
#include <cstdint>

namespace fauna::inline v0::nf4 {

inline constexpr int block = 64, absmax_block = 256;

/// Φ⁻¹ of evenly spaced probabilities, divided by the largest.
inline constexpr float codes[16] = {-1,
                                    -0x1.647362p-1F,
                                    -0x1.0cd66p-1F,
                                    -0x1.94654p-2F,
                                    -0x1.23449ap-2F,
                                    -0x1.7a6a7ep-3F,
                                    -0x1.74f0e2p-4F,
                                    0,
                                    0x1.45f5fep-4F,
                                    0x1.4995c6p-3F,
                                    0x1.f809bap-3F,
                                    0x1.5a0674p-2F,
                                    0x1.c3497p-2F,
                                    0x1.200f56p-1F,
                                    0x1.722766p-1F,
                                    1};

/// The nearest of n ascending numbers; the lower one up to the middle between two, which is rounded to f32.
inline int nearest(const float* ascending, int n, float x) {
  int at = 0;
  while (at + 1 < n && x > (ascending[at] + ascending[at + 1]) / 2) ++at;
  return at;
}

/// n numbers as codes[(n + 1) / 2] and absmax[(n + 63) / 64]. An odd end is filled up with the code of 0.
inline void quantise(const float* x, std::size_t n, std::uint8_t* packed, float* absmax) {
  for (std::size_t from = 0; from < n; from += block) {
    const std::size_t to = n - from < block ? n : from + block;
    float most = 0;
    for (std::size_t i = from; i < to; ++i) most = std::fabs(x[i]) > most ? std::fabs(x[i]) : most;
    absmax[from / block] = most;
    const float scale = most > 0 ? 1 / most : 0;
    for (std::size_t i = from; i < to; i += 2) {
      const int high = nearest(codes, 16, x[i] * scale), low = i + 1 < to ? nearest(codes, 16, x[i + 1] * scale) : 7;
      packed[i / 2] = static_cast<std::uint8_t>(high << 4 | low);
    }
  }
}
/// Number i, divided by its absmax.
inline float code_of(const std::uint8_t* packed, std::size_t i) {
  return codes[(packed[i / 2] >> (i % 2 == 0 ? 4 : 0)) & 15];
}
inline float value(const std::uint8_t* packed, const float* absmax, std::size_t i) {
  return code_of(packed, i) * absmax[i / block];
}
/// Numbers [from, from + n).
inline void dequantise(const std::uint8_t* packed, const float* absmax, std::size_t from, std::size_t n, float* to) {
  for (std::size_t i = 0; i < n; ++i) to[i] = value(packed, absmax, from + i);
}

/// The map of double quantisation, ascending: for i = 0 to 6 the middles of 2^i equal parts of [0.1, 1], times
/// 10^(i-6), with both signs; 0 and 1 (Dettmers 2016, "8-bit approximations for parallelism in deep learning", section
/// 2).
struct DynamicMap {
  float values[256];
  DynamicMap() {
    float positive[127];
    int n = 0;
    const float powers[7] = {1e-6F, 1e-5F, 1e-4F, 1e-3F, 1e-2F, 1e-1F, 1};
    for (int i = 0; i < 7; ++i) {
      const int parts = 1 << i;
      const double step = static_cast<double>((1 - 0.1F) / static_cast<float>(parts));
      const auto bound = [&](int k) {  // from whichever end is nearer, with one rounding
        return static_cast<float>(k < (parts + 1) / 2 ? static_cast<double>(0.1F) + step * k : 1 - step * (parts - k));
      };
      for (int k = 0; k < parts; ++k) positive[n++] = (bound(k) + bound(k + 1)) / 2 * powers[i];
    }
    for (int i = 0; i < 127; ++i) {
      values[126 - i] = -positive[i];
      values[128 + i] = positive[i];
    }
    values[127] = 0;
    values[255] = 1;
  }
};
inline float const* dynamic_map() {
  static const DynamicMap map;
  return map.values;
}

/// absmax[n] as bytes[n] and scales[(n + 255) / 256]; the offset is returned.
inline float quantise_absmax(const float* absmax, std::size_t n, std::uint8_t* bytes, float* scales) {
  double sum = 0;
  for (std::size_t i = 0; i < n; ++i) sum += static_cast<double>(absmax[i]);
  const float offset = n > 0 ? static_cast<float>(sum / static_cast<double>(n)) : 0;
  for (std::size_t from = 0; from < n; from += absmax_block) {
    const std::size_t to = n - from < absmax_block ? n : from + absmax_block;
    float most = 0;
    for (std::size_t i = from; i < to; ++i)
      most = std::fabs(absmax[i] - offset) > most ? std::fabs(absmax[i] - offset) : most;
    scales[from / absmax_block] = most;
    for (std::size_t i = from; i < to; ++i)
      bytes[i] = static_cast<std::uint8_t>(nearest(dynamic_map(), 256, most > 0 ? (absmax[i] - offset) / most : 0));
  }
  return offset;
}
inline void dequantise_absmax(const std::uint8_t* bytes, const float* scales, float offset, std::size_t n,
                              float* absmax) {
  for (std::size_t i = 0; i < n; ++i) {
    // Rounded once for the product and once for the sum, whatever a compiler would contract.
    const double product = static_cast<double>(dynamic_map()[bytes[i]]) * static_cast<double>(scales[i / absmax_block]);
    absmax[i] = static_cast<float>(product) + offset;
  }
}

}  // namespace fauna::inline v0::nf4
