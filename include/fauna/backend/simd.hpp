// Vectors of W floats in GNU vector extensions: one source for SSE2 (W = 4), AVX2 (8) and AVX-512 (16); a W wider than
// the machine's registers is lowered to several narrower instructions. Vectors go by reference: by value, a type wider
// than the build's registers would have no fixed calling convention (-Wpsabi).
#pragma once
#include <cmath>
#include <cstdint>
#include <cstring>
#if defined(__AVX512F__)
#include <immintrin.h>
#endif

#include <fauna/core/dtype.hpp>

#define FAUNA_INLINE inline __attribute__((always_inline))

// Unrolls the loop that follows: wholly, so that an array of accumulators becomes registers; or by four.
#if defined(__clang__)
#define FAUNA_UNROLL _Pragma("clang loop unroll(full)")
#define FAUNA_UNROLL_4 _Pragma("clang loop unroll_count(4)")
#else
#define FAUNA_UNROLL _Pragma("GCC unroll 64")
#define FAUNA_UNROLL_4 _Pragma("GCC unroll 4")
#endif
#define FAUNA_LANES __attribute__((always_inline))  // behind the parameters of a lambda

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
/// Widens W bf16 numbers.
template <int W> FAUNA_INLINE void load(vfloat<W>& v, const bf16* p) {
  typedef std::uint16_t half __attribute__((vector_size(W * 2)));
  half h;
  std::memcpy(&h, p, sizeof h);
  v = (vfloat<W>)(__builtin_convertvector(h, vuint<W>) << 16);
}
/// The first n lanes of memory, n <= W; the others read as zero.
template <int W, class E> FAUNA_INLINE void load_first(vfloat<W>& v, const E* p, int n) {
#if defined(__AVX512F__)
  if constexpr (W == 16 && sizeof(E) == sizeof(float)) {
    v = (vfloat<W>)_mm512_maskz_loadu_ps(static_cast<__mmask16>((1U << n) - 1U), p);
    return;
  }
#endif
  alignas(64) float t[W]{};
  for (int i = 0; i < n; ++i) t[i] = p[i];
  load<W>(v, t);
}
template <int W> FAUNA_INLINE void store_first(float* p, vfloat<W> const& v, int n) {
#if defined(__AVX512F__)
  if constexpr (W == 16) {
    _mm512_mask_storeu_ps(p, static_cast<__mmask16>((1U << n) - 1U), (__m512)v);
    return;
  }
#endif
  alignas(64) float t[W];
  store<W>(t, v);
  for (int i = 0; i < n; ++i) p[i] = t[i];
}
/// A whole vector, or the first n lanes where a row ends.
template <int W, class E> FAUNA_INLINE void get(vfloat<W>& v, const E* p, int n) {
  if (n >= W) load<W>(v, p);
  else load_first<W>(v, p, n);
}
template <int W> FAUNA_INLINE void put(float* p, vfloat<W> const& v, int n) {
  if (n >= W) store<W>(p, v);
  else store_first<W>(p, v, n);
}
/// f(first, count) over [0, n) in vectors: count is the constant W but for what is left at the end. For get and put;
/// mark f FAUNA_LANES, so that both calls are inlined.
template <int W, class F> FAUNA_INLINE void for_lanes(int n, F&& f) {
  int c = 0;
  for (; c + W <= n; c += W) f(c, W);
  if (c < n) f(c, n - c);
}
template <int W> FAUNA_INLINE void broadcast(vfloat<W>& v, float x) {
  // A subtraction of zero folds away where an addition of zero must not (it would turn -0 into 0).
  v = x - vfloat<W>{};
}
/// Keeps v, just loaded, in a register: GCC would rather read memory again in each instruction that uses it, and two
/// such reads a cycle are the limit of a register tile. Vectors wider than the build's registers are left alone.
template <class V> FAUNA_INLINE void keep([[maybe_unused]] V& v) {
#if defined(__AVX512F__)
  if constexpr (sizeof(V) <= 64) asm("" : "+v"(v));
#elif defined(__AVX__)
  if constexpr (sizeof(V) <= 32) asm("" : "+x"(v));
#elif defined(__SSE2__)
  if constexpr (sizeof(V) <= 16) asm("" : "+x"(v));
#endif
}
/// The two halves of a vector.
template <int W> FAUNA_INLINE void halves(vfloat<W / 2>& low, vfloat<W / 2>& high, vfloat<W> const& v) {
  // shuffles, since a copy through memory would keep v there
  if constexpr (W == 16) {
    low = __builtin_shufflevector(v, v, 0, 1, 2, 3, 4, 5, 6, 7);
    high = __builtin_shufflevector(v, v, 8, 9, 10, 11, 12, 13, 14, 15);
  } else {
    low = __builtin_shufflevector(v, v, 0, 1, 2, 3);
    high = __builtin_shufflevector(v, v, 4, 5, 6, 7);
  }
}
/// Lane 0 + lane 1 + ... in a fixed pairwise order.
template <int W> FAUNA_INLINE float sum(vfloat<W> const& v) {
  if constexpr (W == 4) {
    return (v[0] + v[2]) + (v[1] + v[3]);
  } else {
    vfloat<W / 2> a, b;
    halves<W>(a, b, v);
    return sum<W / 2>(a + b);
  }
}
/// The largest lane of a vector without NaN.
template <int W> FAUNA_INLINE float max(vfloat<W> const& v) {
  if constexpr (W == 4) {
    const float a = v[0] > v[2] ? v[0] : v[2], b = v[1] > v[3] ? v[1] : v[3];
    return a > b ? a : b;
  } else {
    vfloat<W / 2> a, b;
    halves<W>(a, b, v);
    return max<W / 2>(a > b ? a : b);
  }
}

/// x held within [-edge, edge]; NaN stays NaN.
template <int W> FAUNA_INLINE void clamp(vfloat<W>& y, vfloat<W> const& x, float edge) {
#if defined(__AVX512F__)
  if constexpr (W == 16) {  // min and max return their second operand when one is NaN
    const __m512 v = _mm512_maskz_min_ps(0xffff, _mm512_set1_ps(edge), (__m512)x);
    y = (vfloat<W>)_mm512_maskz_max_ps(0xffff, _mm512_set1_ps(-edge), v);
    return;
  }
#endif
  vfloat<W> e;
  broadcast<W>(e, edge);
  y = x > e ? e : x;
  y = y < -e ? -e : y;
}

/// √x, correctly rounded.
template <int W> FAUNA_INLINE void sqrt(vfloat<W>& y, vfloat<W> const& x) {
#if defined(__AVX512F__)
  if constexpr (W == 16) {
    y = (vfloat<W>)_mm512_maskz_sqrt_ps(0xffff, (__m512)x);  // the form without a mask warns in g++ 12
    return;
  }
#endif
#if defined(__AVX__)
  if constexpr (W == 8) {
    y = (vfloat<W>)__builtin_ia32_sqrtps256(x);
    return;
  }
#endif
#if defined(__SSE2__)
  if constexpr (W == 4) {
    y = (vfloat<W>)__builtin_ia32_sqrtps(x);
    return;
  }
#endif
  if constexpr (W > 4) {
    vfloat<W / 2> a, b;
    halves<W>(a, b, x);
    sqrt<W / 2>(a, a);
    sqrt<W / 2>(b, b);
    std::memcpy(&y, &a, sizeof a);
    std::memcpy(reinterpret_cast<char*>(&y) + sizeof a, &b, sizeof b);
  } else {
    for (int i = 0; i < W; ++i) y[i] = std::sqrt(x[i]);
  }
}

/// e^x, relative error below 2 ulp; 0 below -87.3 (no subnormals), infinity above 88.7; NaN stays NaN. y may be x.
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
  vfloat<W> e = p * s0 * s1;
  e = x < -87.33654F ? vfloat<W>{} : e;
  e = x > 88.72283F ? (vfloat<W>{} + __builtin_inff()) : e;
  y = x != x ? x : e;
}

/// 2^x for x <= 0, relative error below 2 ulp; 0 below -126.5; NaN stays NaN. Half of what exp takes: a recurrence that
/// fades does it for each of its numbers. 2^x = 2^n 2^r with |r| <= 1/2; 2^r is a polynomial of degree 6 (minimax on
/// that interval, relative error 2e-9).
template <int W> FAUNA_INLINE void exp2_fading(vfloat<W>& y, vfloat<W> const& x) {
  // Adding 1.5 * 2^23 rounds to an integer, and 127 more leaves the exponent of 2^n in the low bits; that of -127 is 0.
  const vfloat<W> magic = vfloat<W>{} + 12583039.0F;
  const vfloat<W> c = x < -127.0F ? (vfloat<W>{} - 127.0F) : x;
  const vfloat<W> t = c + magic;
  const vfloat<W> r = c - (t - magic);
  vfloat<W> p = vfloat<W>{} + 1.53533576e-4F;
  p = p * r + 1.33988762e-3F;
  p = p * r + 9.61843785e-3F;
  p = p * r + 5.55033237e-2F;
  p = p * r + 2.40226477e-1F;
  p = p * r + 6.93147182e-1F;
  p = p * r + 1.0F;
  y = p * (vfloat<W>)((vint<W>)t << 23);
}

/// log(1 + e^x), relative error below 4 ulp; NaN stays NaN.
/// max(x, 0) + log(1 + u), u = e^{-|x|}: log(1 + u) = 2 artanh s, s = u / (2 + u) <= 1/3, by its series up to s^13.
template <int W> FAUNA_INLINE void softplus(vfloat<W>& y, vfloat<W> const& x) {
  const vfloat<W> below = (vfloat<W>)((vint<W>)x | ~0x7fffffff);  // -|x|
  vfloat<W> u;
  exp<W>(u, below);
  const vfloat<W> s = u / (2.0F + u), q = s * s;
  vfloat<W> p = vfloat<W>{} + 1.0F / 13;
  p = p * q + 1.0F / 11;
  p = p * q + 1.0F / 9;
  p = p * q + 1.0F / 7;
  p = p * q + 1.0F / 5;
  p = p * q + 1.0F / 3;
  p = p * q + 1.0F;
  y = (x > 0.0F ? x : vfloat<W>{}) + 2.0F * s * p;
  y = x != x ? x : y;
}

/// The magnitude of a with the sign bit of b.
template <int W> FAUNA_INLINE void copy_sign(vfloat<W>& y, vfloat<W> const& a, vfloat<W> const& b) {
  y = (vfloat<W>)(((vint<W>)a & 0x7fffffff) | ((vint<W>)b & ~0x7fffffff));
}

/// tanh x, relative error below 4 ulp; odd, -0 stays -0, NaN stays NaN.
/// tanh |x| = e / (e + 2) with e = e^{2|x|} - 1 = 2^n (e^r - 1) + (2^n - 1): no cancellation, also near zero.
template <int W> FAUNA_INLINE void tanh(vfloat<W>& y, vfloat<W> const& x) {
  vfloat<W> a = (vfloat<W>)((vint<W>)x & 0x7fffffff);
  a = a > 9.1F ? (vfloat<W>{} + 9.1F) : a;  // from here on tanh rounds to 1
  a = a + a;
  const vfloat<W> magic = vfloat<W>{} + 12582912.0F;
  const vfloat<W> t = a * 1.44269504F + magic;
  const vfloat<W> n = t - magic;
  const vfloat<W> r = (a - n * 0.693359375F) - n * -2.12194440e-4F;
  vfloat<W> p = vfloat<W>{} + 1.98412698e-4F;
  p = p * r + 1.38888889e-3F;
  p = p * r + 8.33333333e-3F;
  p = p * r + 4.16666667e-2F;
  p = p * r + 1.66666667e-1F;
  p = p * r + 0.5F;
  p = p * (r * r) + r;
  const vfloat<W> s = (vfloat<W>)((__builtin_convertvector(n, vint<W>) + 127) << 23);
  const vfloat<W> e = p * s + (s - 1.0F);
  copy_sign<W>(y, e / (e + 2.0F), x);
  y = x != x ? x : y;
}

/// erf x, relative error below 10 ulp; odd, -0 stays -0, NaN stays NaN.
/// |x| P(x²) / Q(x²) with P and Q of degree 5: the minimax quotient on |x| <= 3.92 (relative error 1.9e-8, all
/// coefficients positive, so nothing cancels); beyond, erf rounds to 1.
template <int W> FAUNA_INLINE void erf(vfloat<W>& y, vfloat<W> const& x) {
  vfloat<W> a = (vfloat<W>)((vint<W>)x & 0x7fffffff);
  a = a > 3.92F ? (vfloat<W>{} + 3.92F) : a;
  const vfloat<W> u = a * a;
  vfloat<W> p = vfloat<W>{} + 2.05015176e-6F, q = vfloat<W>{} + 3.80921600e-5F;
  p = p * u + 2.84878576e-4F;
  q = q * u + 1.16247461e-3F;
  p = p * u + 3.76535373e-3F;
  q = q * u + 1.49686885e-2F;
  p = p * u + 5.27479103e-2F;
  q = q * u + 1.14106501e-1F;
  p = p * u + 1.90400085e-1F;
  q = q * u + 5.02070424e-1F;
  p = p * u + 1.12837915F;
  q = q * u + 1.0F;
  p = a * p / q;
  p = p > 1.0F ? (vfloat<W>{} + 1.0F) : p;
  copy_sign<W>(y, p, x);
  y = x != x ? x : y;
}

/// sin x and cos x for |x| <= 2^24, each within 2 ulp; NaN stays NaN.
/// x = n π/2 + r with |r| <= π/4, found in double: π/2 in two parts, of which the first has 29 bits, so that n times it
/// is exact. sin r and cos r are polynomials (minimax on that interval, relative error 4e-9 and 1e-10).
template <int W> FAUNA_INLINE void sin_cos(vfloat<W>& sin, vfloat<W>& cos, vfloat<W> const& x) {
  typedef double wide __attribute__((vector_size(W * 8)));
  const wide d = __builtin_convertvector(x, wide);
  const wide magic = wide{} + 6755399441055744.0;  // 1.5 * 2^52: adding it rounds to an integer
  const wide n = (d * 0.63661977236758134 + magic) - magic;
  const vfloat<W> r = __builtin_convertvector((d - n * 0x1.921fb54p+0) - n * 0x1.10b4611a62633p-30, vfloat<W>);
  const vint<W> quarter = __builtin_convertvector(n, vint<W>);
  const vfloat<W> u = r * r;
  vfloat<W> s = vfloat<W>{} - 1.9517324e-4F, c = vfloat<W>{} + 2.4438446e-5F;
  s = s * u + 8.332178e-3F;
  c = c * u - 1.3887368e-3F;
  s = s * u - 0.16666655F;
  c = c * u + 4.1666646e-2F;
  s = s * u * r + r;
  c = c * u * u + (1.0F - 0.5F * u);
  // a quarter turn swaps the two; two of them change both signs
  const vfloat<W> a = (quarter & 1) != 0 ? c : s, b = (quarter & 1) != 0 ? s : c;
  sin = (vfloat<W>)((vint<W>)a ^ ((quarter & 2) << 30));
  cos = (vfloat<W>)((vint<W>)b ^ (((quarter + 1) & 2) << 30));
}

/// Lanes 1 0 3 2 5 4 ...
template <int W> FAUNA_INLINE void swap_neighbours(vfloat<W>& y, vfloat<W> const& x) {
  typedef std::uint64_t two __attribute__((vector_size(W * 4)));
  y = (vfloat<W>)(((two)x << 32) | ((two)x >> 32));
}

}  // namespace fauna::inline v0::simd
