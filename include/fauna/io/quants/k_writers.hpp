// How numbers become ggml's K types and IQ4_NL, to nearest and without weights of importance, as the reference does it
// (ggml-quants.c): each sub-block is fitted alone, the scales and offsets of all are rounded to small whole numbers,
// and every number is rounded again by what then stands in the block.
//   Q2_K  weights |x|, error |.|        Q4_K, Q5_K  weights sqrt(mean x^2) + |x|, error squared      x = s q - m
//   Q3_K, Q6_K, IQ4_NL  weights x^2, error squared                                                   x = s q
// Of the scales that are tried the best of these errors wins, the first of equals. Sums are in f32, in order, no
// product of them fused: else bits would depend on the compiler's flags.
#pragma once
#include <bit>
#include <cmath>

#include <fauna/io/quants/k_blocks.hpp>
#include <fauna/io/quants/tables.hpp>

namespace fauna::inline v0::quants_detail {

/// Halves to even; of what lies within 2^22.
inline int nearest(float x) {
  return static_cast<int>(std::bit_cast<std::uint32_t>(x + 0x1.8p23F) & 0x7fffffU) - 0x400000;
}
inline int nearest(float x, int least, int most) {
  const int n = nearest(x);
  return n < least ? least : n > most ? most : n;
}
inline float times(float a, float b) { return rounded_product(a, b); }
inline float times(float a, float b, float c) { return times(times(a, b), c); }
inline float as_float(int n) { return static_cast<float>(n); }

/// Below this a sub-block counts as zeros.
inline constexpr float no_scale = 1e-15F;

/// The number farthest from 0, the first of several.
inline float farthest(const float* x, std::size_t n) {
  float most = 0;
  for (std::size_t i = 0; i < n; ++i) most = std::fabs(x[i]) > std::fabs(most) ? x[i] : most;
  return most;
}

struct Search {
  int most;       ///< q is 0 to this
  float first;    ///< levels are most + first, and 0.1 more for each of
  int steps;      ///< so many trials after the first
  bool absolute;  ///< the error, else squared
};

/// x ~ scale q - offset with an offset of 0 or more: for every number of levels the scale and offset of least squares.
/// Each trial goes on from the best offset so far.
template <std::size_t N>
float fit_with_offset(const float* x, const float* weight, Search s, std::uint8_t* q, float& offset) {
  float least = x[0], greatest = x[0], all = weight[0], sum = times(all, x[0]);
  for (std::size_t i = 1; i < N; ++i) {
    least = x[i] < least ? x[i] : least;
    greatest = x[i] > greatest ? x[i] : greatest;
    all += weight[i];
    sum += times(weight[i], x[i]);
  }
  if (least > 0) least = 0;
  for (std::size_t i = 0; i < N; ++i) q[i] = 0;
  offset = -least;
  if (greatest == least) return 0;
  float scale = 0, min = least;
  std::uint8_t trial[N];
  const auto round_all = [&](float levels, std::uint8_t* to) {
    for (std::size_t i = 0; i < N; ++i)
      to[i] = static_cast<std::uint8_t>(nearest(times(levels, x[i] - min), 0, s.most));
  };
  const auto error_of = [&](const std::uint8_t* codes, float by, float from) {
    float error = 0;
    for (std::size_t i = 0; i < N; ++i) {
      const float off = times(by, as_float(codes[i])) + from - x[i];
      error += times(weight[i], s.absolute ? std::fabs(off) : times(off, off));
    }
    return error;
  };
  scale = 1 / (as_float(s.most) / (greatest - min));
  round_all(as_float(s.most) / (greatest - min), q);
  float best = error_of(q, scale, min);
  for (int step = 0; step <= s.steps; ++step) {
    round_all((s.first + times(0.1F, as_float(step)) + as_float(s.most)) / (greatest - min), trial);
    float l = 0, ll = 0, lx = 0;  // sums of weight q, weight q^2, weight q x
    for (std::size_t i = 0; i < N; ++i) {
      const float wq = times(weight[i], as_float(trial[i]));
      l += wq;
      ll += times(wq, as_float(trial[i]));
      lx += times(wq, x[i]);
    }
    const float determinant = times(all, ll) - times(l, l);
    if (!(determinant > 0)) continue;
    float own_scale = (times(all, lx) - times(sum, l)) / determinant,
          own_min = (times(ll, sum) - times(l, lx)) / determinant;
    if (own_min > 0) own_min = 0, own_scale = lx / ll;
    const float error = error_of(trial, own_scale, own_min);
    if (!(error < best)) continue;
    std::memcpy(q, trial, N);
    best = error, scale = own_scale, min = own_min;
  }
  offset = -min;
  return scale;
}

/// Sums of weight q x and weight q^2 for x ~ scale q, of weights x^2.
struct Fit {
  float qx = 0, qq = 0;
  void see(float x, float q) {
    const float w = times(x, x);
    qx += times(w, x, q);
    qq += times(w, q, q);
  }
  /// As the reference orders it for tables.
  void see_table(float x, float q) {
    const float wq = times(x, x, q);
    qx += times(wq, x);
    qq += times(wq, q);
  }
};

inline void put_half(std::byte* to, float x) {
  const f16 h(x);
  std::memcpy(to, &h, 2);
}
/// d or dmin: what 1 of a whole number stands for.
inline float put_step(std::byte* to, float most, float levels) {
  put_half(to, most > 0 ? most / levels : 0.0F);
  return most > 0 ? levels / most : 0.0F;
}
inline void put_two_bits(std::byte* bytes, std::size_t e, int q) {
  bytes[e / 128 * 32 + e % 32] |= std::byte(static_cast<unsigned>(q) << 2 * (e % 128 / 32));
}

inline void write_q2_k(const float* x, std::byte* block) {
  constexpr std::size_t n = 16;
  std::uint8_t q[k_elements];
  float scales[n], offsets[n], weight[n], scale = 0, offset = 0;
  for (std::size_t s = 0; s < n; ++s) {
    for (std::size_t i = 0; i < n; ++i) weight[i] = std::fabs(x[n * s + i]);
    scales[s] = fit_with_offset<n>(x + n * s, weight, {3, -0.5F, 15, true}, q + n * s, offsets[s]);
    scale = scales[s] > scale ? scales[s] : scale;
    offset = offsets[s] > offset ? offsets[s] : offset;
  }
  std::memset(block, 0, 84);
  const float per_scale = put_step(block + 80, scale, 15), per_offset = put_step(block + 82, offset, 15);
  for (std::size_t s = 0; s < n; ++s) {
    const int whole = nearest(times(per_scale, scales[s])), off = nearest(times(per_offset, offsets[s]));
    block[s] = std::byte(static_cast<unsigned>(whole) | static_cast<unsigned>(off) << 4);
    const float d = times(half_at(block + 80), as_float(whole)), m = times(half_at(block + 82), as_float(off));
    for (std::size_t i = n * s; i < n * s + n; ++i) {
      if (d != 0) q[i] = static_cast<std::uint8_t>(nearest((x[i] + m) / d, 0, 3));
      put_two_bits(block + 16, i, q[i]);
    }
  }
}

inline void put_six_bits(std::byte* b, std::size_t s, unsigned scale, unsigned offset) {
  if (s < 4) {
    b[s] |= std::byte(scale);
    b[s + 4] |= std::byte(offset);
  } else {
    b[s + 4] |= std::byte((scale & 15U) | (offset & 15U) << 4);
    b[s - 4] |= std::byte(scale >> 4 << 6);
    b[s] |= std::byte(offset >> 4 << 6);
  }
}
/// Fifth: as Q5_K.
template <bool Fifth> void write_q4_k(const float* x, std::byte* block) {
  constexpr std::size_t n = 32, subs = k_elements / n, first = Fifth ? 48 : 16;
  constexpr Search search = Fifth ? Search{31, -0.5F, 15, false} : Search{15, -1.0F, 20, false};
  std::uint8_t q[k_elements];
  float scales[subs], offsets[subs], weight[n], scale = 0, offset = 0;
  for (std::size_t s = 0; s < subs; ++s) {
    float squares = 0;
    for (std::size_t i = 0; i < n; ++i) squares += times(x[n * s + i], x[n * s + i]);
    const float mean = std::sqrt(squares / n);
    for (std::size_t i = 0; i < n; ++i) weight[i] = mean + std::fabs(x[n * s + i]);
    scales[s] = fit_with_offset<n>(x + n * s, weight, search, q + n * s, offsets[s]);
    scale = scales[s] > scale ? scales[s] : scale;
    offset = offsets[s] > offset ? offsets[s] : offset;
  }
  std::memset(block, 0, first + 128);
  const float per_scale = put_step(block, scale, 63), per_offset = put_step(block + 2, offset, 63);
  for (std::size_t s = 0; s < subs; ++s) {
    const int whole = nearest(times(per_scale, scales[s]), 0, 63), off = nearest(times(per_offset, offsets[s]), 0, 63);
    put_six_bits(block + 4, s, static_cast<unsigned>(whole), static_cast<unsigned>(off));
    const float d = times(half_at(block), as_float(whole)), m = times(half_at(block + 2), as_float(off));
    for (std::size_t i = n * s; i < n * s + n; ++i) {
      if (d != 0) q[i] = static_cast<std::uint8_t>(nearest((x[i] + m) / d, 0, search.most));
      block[first + i / 64 * 32 + i % 32] |= std::byte((q[i] & 15U) << (i % 64 < 32 ? 0 : 4));
      if (Fifth) block[16 + i % 32] |= std::byte(static_cast<unsigned>(q[i] >> 4) << i / 32);
    }
  }
}

/// From the scale that takes the farthest number to -4, each code in turn is moved where that makes the error less, in
/// five rounds at most.
inline float fit_q3(const float* x, int* q) {
  constexpr std::size_t n = 16;
  const float most = farthest(x, n);
  for (std::size_t i = 0; i < n; ++i) q[i] = 0;
  if (std::fabs(most) < no_scale) return 0;
  float qx = 0, qq = 0;
  const auto weighed = [&](std::size_t i, int code, float& lx, float& ll, float sign) {
    const float w = times(x[i], x[i]);
    lx += sign * times(w, x[i], as_float(code));
    ll += sign * times(w, as_float(code), as_float(code));
  };
  for (std::size_t i = 0; i < n; ++i) {
    q[i] = nearest(times(-4 / most, x[i]), -4, 3);
    weighed(i, q[i], qx, qq, 1);
  }
  bool moved = true;
  for (int round = 0; round < 5 && moved; ++round) {
    moved = false;
    for (std::size_t i = 0; i < n; ++i) {
      float lx = qx, ll = qq;
      weighed(i, q[i], lx, ll, -1);
      if (!(lx > 0)) continue;
      const int other = nearest(times(x[i], ll) / lx, -4, 3);
      if (other == q[i]) continue;
      weighed(i, other, lx, ll, 1);
      if (!(ll > 0 && times(lx, lx, qq) > times(qx, qx, ll))) continue;
      q[i] = other, qx = lx, qq = ll;
      moved = true;
    }
  }
  for (std::size_t i = 0; i < n; ++i) q[i] += 4;
  return qq > 0 ? qx / qq : 0;
}
inline void write_q3_k(const float* x, std::byte* block) {
  constexpr std::size_t n = 16;
  int q[k_elements];
  float scales[n];
  for (std::size_t s = 0; s < n; ++s) scales[s] = fit_q3(x + n * s, q + n * s);
  const float most = farthest(scales, n), inverse = most != 0 ? -32 / most : 0;
  std::memset(block, 0, 110);
  put_half(block + 108, most != 0 ? 1 / inverse : 0);
  for (std::size_t s = 0; s < n; ++s) {
    const int whole = most != 0 ? nearest(times(inverse, scales[s]), -32, 31) : -32;
    if (most != 0) {
      const auto bits = static_cast<unsigned>(whole + 32);
      block[96 + s % 8] |= std::byte((bits & 15U) << (s < 8 ? 0 : 4));
      block[104 + s % 4] |= std::byte(bits >> 4 << 2 * (s / 4));
    }
    const float d = times(half_at(block + 108), as_float(whole));
    for (std::size_t i = n * s; i < n * s + n; ++i) {
      if (d != 0) q[i] = nearest(x[i] / d, -4, 3) + 4;
      if (q[i] > 3) block[i % 32] |= std::byte(1U << i / 32);
      put_two_bits(block + 32, i, q[i] & 3);
    }
  }
}

/// Of the scales that take the farthest number to -32, and to a tenth more or less of it, up to nine.
inline float fit_q6(const float* x, int* q) {
  constexpr std::size_t n = 16;
  const float most = farthest(x, n);
  for (std::size_t i = 0; i < n; ++i) q[i] = 0;
  if (std::fabs(most) < no_scale) return 0;
  int trial[n];
  const auto fit = [&](float levels) {
    Fit f;
    for (std::size_t i = 0; i < n; ++i) {
      trial[i] = nearest(times(levels, x[i]), -32, 31);
      f.see(x[i], as_float(trial[i]));
    }
    return f;
  };
  float scale = 0, best = 0;
  const auto take = [&](Fit const& f) {
    scale = f.qq != 0 ? f.qx / f.qq : 0;
    best = times(scale, f.qx);
    for (std::size_t i = 0; i < n; ++i) q[i] = trial[i] + 32;
  };
  take(fit(-32 / most));
  for (int step = -9; step <= 9; ++step) {
    if (step == 0) continue;
    const Fit f = fit(-(32 + times(0.1F, as_float(step))) / most);
    if (f.qq > 0 && times(f.qx, f.qx) > times(best, f.qq)) take(f);
  }
  return scale;
}
inline void write_q6_k(const float* x, std::byte* block) {
  constexpr std::size_t n = 16;
  int q[k_elements];
  float scales[n];
  for (std::size_t s = 0; s < n; ++s) scales[s] = fit_q6(x + n * s, q + n * s);
  std::memset(block, 0, 210);
  const float most = farthest(scales, n);
  if (std::fabs(most) < no_scale) return;
  const float inverse = -128 / most;
  put_half(block + 208, 1 / inverse);
  for (std::size_t s = 0; s < n; ++s) {
    const int whole = nearest(times(inverse, scales[s]), -128, 127);
    block[192 + s] = std::byte(static_cast<std::uint8_t>(whole));
    const float d = times(half_at(block + 208), as_float(whole));
    for (std::size_t i = n * s; i < n * s + n; ++i) {
      if (d != 0) q[i] = nearest(x[i] / d, -32, 31) + 32;
      const auto code = static_cast<unsigned>(q[i]);
      const std::size_t r = i % 128 / 32;
      block[i / 128 * 64 + r % 2 * 32 + i % 32] |= std::byte((code & 15U) << (r < 2 ? 0 : 4));
      block[128 + i / 128 * 32 + i % 32] |= std::byte(code >> 4 << 2 * r);
    }
  }
}

/// The place in the table of the value next to x, the greater of two that are as near.
inline std::size_t nearest_in_table(float x) {
  std::size_t i = 0;
  while (i < 15 && x >= static_cast<float>(nonlinear[i + 1])) ++i;
  if (i == 15 || x <= static_cast<float>(nonlinear[0])) return i;
  return x - static_cast<float>(nonlinear[i]) < static_cast<float>(nonlinear[i + 1]) - x ? i : i + 1;
}
/// Of the scales that take the farthest number to -127, and up to 7 more or less.
inline void write_iq4_nl(const float* x, std::byte* block) {
  constexpr std::size_t n = 32;
  std::memset(block, 0, 18);
  const float most = farthest(x, n);
  float scale = 0, best = 0;
  const auto fit = [&](float levels) {
    Fit f;
    for (std::size_t i = 0; i < n; ++i)
      f.see_table(x[i], static_cast<float>(nonlinear[nearest_in_table(times(levels, x[i]))]));
    return f;
  };
  if (std::fabs(most) >= no_scale) {
    const Fit first = fit(1 / (-most / static_cast<float>(nonlinear[0])));
    scale = first.qq > 0 ? first.qx / first.qq : 0;
    best = times(scale, first.qx);
    for (int step = -7; step <= 7; ++step) {
      const Fit f = fit((as_float(step) + static_cast<float>(nonlinear[0])) / most);
      if (!(f.qq > 0 && times(f.qx, f.qx) > times(best, f.qq))) continue;
      scale = f.qx / f.qq;
      best = times(scale, f.qx);
    }
  }
  put_half(block, scale);
  const float inverse = scale != 0 ? 1 / scale : 0;
  for (std::size_t i = 0; i < n; ++i)
    block[2 + i % 16] |= std::byte(nearest_in_table(times(inverse, x[i])) << (i < 16 ? 0 : 4));
}

}  // namespace fauna::inline v0::quants_detail
