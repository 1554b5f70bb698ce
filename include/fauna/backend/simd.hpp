// Vectors of W floats in GNU vector extensions: one source for SSE2 (W = 4), AVX2 (8) and AVX-512 (16); a W wider than
// the machine's registers is lowered to several narrower instructions. Vectors go by reference: by value, a type wider
// than the build's registers would have no fixed calling convention (-Wpsabi).
#pragma once
#include <cmath>
#include <cstdint>
#include <cstring>

#include <fauna/core/version.hpp>

#define FAUNA_INLINE inline __attribute__((always_inline))

namespace fauna::inline v0::simd {

template <int W> struct lanes_of {
  typedef float f __attribute__((vector_size(W * 4)));
  typedef std::int32_t i __attribute__((vector_size(W * 4)));
  typedef std::uint32_t u __attribute__((vector_size(W * 4)));
  typedef float f_unaligned __attribute__((vector_size(W * 4), aligned(4), may_alias));
};
template <int W> using vfloat = typename lanes_of<W>::f;
template <int W> using vint = typename lanes_of<W>::i;
template <int W> using vuint = typename lanes_of<W>::u;

template <int W> FAUNA_INLINE void load(vfloat<W>& v, const float* p) {
  v = *reinterpret_cast<const typename lanes_of<W>::f_unaligned*>(p);
}
template <int W> FAUNA_INLINE void store(float* p, vfloat<W> const& v) {
  *reinterpret_cast<typename lanes_of<W>::f_unaligned*>(p) = v;
}
/// The first n lanes of memory; the others read as zero.
template <int W> FAUNA_INLINE void load_first(vfloat<W>& v, const float* p, int n) {
  alignas(64) float t[W]{};
  std::memcpy(t, p, static_cast<std::size_t>(n) * sizeof(float));
  load<W>(v, t);
}
template <int W> FAUNA_INLINE void store_first(float* p, vfloat<W> const& v, int n) {
  alignas(64) float t[W];
  store<W>(t, v);
  std::memcpy(p, t, static_cast<std::size_t>(n) * sizeof(float));
}
template <int W> FAUNA_INLINE void broadcast(vfloat<W>& v, float x) {
  // A subtraction of zero folds away where an addition of zero must not (it would turn -0 into 0).
  v = x - vfloat<W>{};
}
/// Lane 0 + lane 1 + ... in a fixed pairwise order.
template <int W> FAUNA_INLINE float sum(vfloat<W> const& v) {
  alignas(64) float t[W];
  store<W>(t, v);
  for (int h = W / 2; h > 0; h /= 2)
    for (int i = 0; i < h; ++i) t[i] += t[i + h];
  return t[0];
}
template <int W> FAUNA_INLINE float max(vfloat<W> const& v) {
  alignas(64) float t[W];
  store<W>(t, v);
  float m = t[0];
  for (int i = 1; i < W; ++i) m = t[i] > m ? t[i] : m;
  return m;
}

/// e^x, relative error below 2 ulp; 0 below -87.3 (no subnormals), infinity above 88.7; NaN stays NaN.
/// x = n ln 2 + r with |r| <= ln 2 / 2; e^r by its Taylor polynomial of degree 7; 2^n through the exponent bits.
template <int W> FAUNA_INLINE void exp(vfloat<W>& y, vfloat<W> const& x) {
  vfloat<W> c = x < -87.33654F ? (vfloat<W>{} - 87.33654F) : x;
  c = c > 88.72283F ? (vfloat<W>{} + 88.72283F) : c;
  const vfloat<W> magic = vfloat<W>{} + 12582912.0F;  // 1.5 * 2^23: adding it rounds to an integer
  const vfloat<W> t = c * 1.44269504F + magic;
  const vfloat<W> n = t - magic;
  const vfloat<W> r = (c - n * 0.693359375F) - n * -2.12194440e-4F;
  vfloat<W> p = vfloat<W>{} + 1.98412698e-4F;
  p = p * r + 1.38888889e-3F;
  p = p * r + 8.33333333e-3F;
  p = p * r + 4.16666667e-2F;
  p = p * r + 1.66666667e-1F;
  p = p * r + 0.5F;
  p = p * r + 1.0F;
  p = p * r + 1.0F;
  // 2^n in two halves, since 2^128 alone is no float
  const vint<W> k = __builtin_convertvector(n, vint<W>), half = k >> 1;
  const vfloat<W> s0 = (vfloat<W>)((half + 127) << 23), s1 = (vfloat<W>)((k - half + 127) << 23);
  y = p * s0 * s1;
  y = x < -87.33654F ? vfloat<W>{} : y;
  y = x > 88.72283F ? (vfloat<W>{} + __builtin_inff()) : y;
  y = x != x ? x : y;
}
template <int W> FAUNA_INLINE void tanh(vfloat<W>& y, vfloat<W> const& x) {
  for (int i = 0; i < W; ++i) y[i] = std::tanh(x[i]);
}
template <int W> FAUNA_INLINE void erf(vfloat<W>& y, vfloat<W> const& x) {
  for (int i = 0; i < W; ++i) y[i] = std::erf(x[i]);
}

}  // namespace fauna::inline v0::simd
