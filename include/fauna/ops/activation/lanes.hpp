// The activations and their derivatives on vectors, for the loops of this op and of ops/gated and for the epilogues of
// ops/gemm: one source, so that fused and unfused give the same bits.
//
// GELU, its tanh form and SiLU are x (1/2 + t(x)), and their derivatives are 1/2 + t(x), with an odd t that ends near
// ±1/2: so all six are one formula, t(x) = x P(x²) / Q(x²), with coefficients of their own (minimax on |x| <= edge, by
// Lawson's reweighted least squares). No exponential, no branch, one division. Beyond the edge t stays what it is
// there; edges of the three values are floats at which it comes to exactly 1/2. SiLU's t is also the odd part of σ, and
// half that of tanh(x / 2).
#pragma once
#include <fauna/backend/simd.hpp>
#include <fauna/core/activation.hpp>

namespace fauna::inline v0::simd {

template <int N> struct OddQuotient {
  float edge;
  float p[N];
  float q[6];
};
// Largest errors of the fit, in t: 6e-9, 6e-9, 8e-12, 9e-8, 6e-8, 4e-8. Rounding adds up to 2e-7.
inline constexpr OddQuotient<6> gelu_fit{
    5.4199991F,
    {0.398942262F, 0.0332892053F, 0.00464552641F, 0.000163431003F, 6.3498087e-06F, 2.34290773e-08F},
    {1.0F, 0.250109911F, 0.0283304937F, 0.00185403356F, 7.20908429e-05F, 1.2170525e-06F}};
inline constexpr OddQuotient<6> gelu_tanh_fit{
    5.0699997F,
    {0.398942292F, 0.0306123961F, 0.00362931727F, 0.000134133283F, 6.90831394e-06F, 2.28018493e-08F},
    {1.0F, 0.244225994F, 0.0244303979F, 0.00130000419F, 7.52860869e-05F, 1.26982047e-06F}};
inline constexpr OddQuotient<6> silu_fit{
    16.95005F,
    {0.25F, 0.008822041F, 6.949077e-05F, 1.6731391e-07F, 1.1176791e-10F, 9.4863065e-15F},
    {1.0F, 0.1186215F, 0.0018297544F, 7.890288e-06F, 1.0375846e-08F, 3.0023182e-12F}};
inline constexpr OddQuotient<7> gelu_slope_fit{
    5.75F,
    {0.797884822F, -0.0320034102F, 0.0141911795F, 7.0784763e-06F, 3.45184744e-05F, 1.52485242e-07F, 1.52924992e-10F},
    {1.0F, 0.293227464F, 0.0405163318F, 0.00344128418F, 0.000186459511F, 8.15293515e-06F}};
inline constexpr OddQuotient<7> gelu_tanh_slope_fit{
    5.25F,
    {0.797884762F, -0.0494293272F, 0.0133376168F, -0.000292415963F, 2.82530837e-05F, -9.67088667e-08F, 1.29505795e-09F},
    {1.0F, 0.273035944F, 0.0314552858F, 0.00169851549F, 0.000110878689F, 4.09964514e-06F}};
inline constexpr OddQuotient<7> silu_slope_fit{
    19.0F,
    {0.49999982F, 0.034642894F, 0.0015119681F, 2.2332535e-05F, 9.980705e-08F, 5.4847724e-11F, -8.757237e-15F},
    {1.0F, 0.23595153F, 0.017349912F, 0.00041027676F, 3.6237138e-06F, 6.714805e-09F}};

template <int W, int N> FAUNA_INLINE void odd_quotient(vfloat<W>& t, vfloat<W> const& x, OddQuotient<N> const& k) {
  vfloat<W> c, u, p, q;
  clamp<W>(c, x, k.edge);
  u = c * c;
  broadcast<W>(p, k.p[N - 1]);
  broadcast<W>(q, k.q[5]);
#pragma GCC unroll 8
  for (int i = N - 2; i >= 0; --i) p = p * u + k.p[i];
#pragma GCC unroll 8
  for (int i = 4; i >= 0; --i) q = q * u + k.q[i];
  t = c * (p / q);
}

/// y = A(x), to 3e-7 |x| (relu_squared: correctly rounded; sigmoid, tanh: to 3e-7). NaN stays NaN.
template <activation A, int W> FAUNA_INLINE void activate_lanes(vfloat<W>& y, vfloat<W> const& x) {
  vfloat<W> t;
  if constexpr (A == activation::gelu) {
    odd_quotient<W>(t, x, gelu_fit);
    y = x * (t + 0.5F);
  } else if constexpr (A == activation::gelu_tanh) {
    odd_quotient<W>(t, x, gelu_tanh_fit);
    y = x * (t + 0.5F);
  } else if constexpr (A == activation::silu) {
    odd_quotient<W>(t, x, silu_fit);
    y = x * (t + 0.5F);
  } else if constexpr (A == activation::sigmoid) {
    odd_quotient<W>(t, x, silu_fit);
    y = t + 0.5F;
  } else if constexpr (A == activation::tanh) {
    odd_quotient<W>(t, x + x, silu_fit);
    y = t + t;
  } else {
    y = x;
    if constexpr (A != activation::none) y = x < 0.0F ? vfloat<W>{} : x;
    if constexpr (A == activation::relu_squared) y *= y;
  }
}

/// g = dA/dx at x, to 4e-7 (tanh: 7e-7; relu_squared: exact). NaN stays NaN, but for relu, whose slope there is 1.
template <activation A, int W> FAUNA_INLINE void activate_gradient_lanes(vfloat<W>& g, vfloat<W> const& x) {
  vfloat<W> t;
  if constexpr (A == activation::gelu) {
    odd_quotient<W>(t, x, gelu_slope_fit);
    g = t + 0.5F;
  } else if constexpr (A == activation::gelu_tanh) {
    odd_quotient<W>(t, x, gelu_tanh_slope_fit);
    g = t + 0.5F;
  } else if constexpr (A == activation::silu) {
    odd_quotient<W>(t, x, silu_slope_fit);
    g = t + 0.5F;
  } else if constexpr (A == activation::sigmoid) {
    odd_quotient<W>(t, x, silu_fit);
    g = 0.25F - t * t;
  } else if constexpr (A == activation::tanh) {
    odd_quotient<W>(t, x + x, silu_fit);
    g = 1.0F - 4.0F * t * t;
  } else if constexpr (A == activation::relu_squared) {
    g = x < 0.0F ? vfloat<W>{} : x + x;
  } else {
    broadcast<W>(g, 1.0F);
    if constexpr (A == activation::relu) g = x <= 0.0F ? vfloat<W>{} : g;
  }
}

/// An activation as a type.
template <activation A> struct form { static constexpr activation value = A; };

/// f(form<a>{}): a loop over vectors inside f is compiled for each activation, and tests nothing per vector.
template <class F> FAUNA_INLINE void with_form(activation a, F&& f) {
  switch (a) {
    case activation::none: return f(form<activation::none>{});
    case activation::gelu: return f(form<activation::gelu>{});
    case activation::gelu_tanh: return f(form<activation::gelu_tanh>{});
    case activation::silu: return f(form<activation::silu>{});
    case activation::relu: return f(form<activation::relu>{});
    case activation::relu_squared: return f(form<activation::relu_squared>{});
    case activation::sigmoid: return f(form<activation::sigmoid>{});
    case activation::tanh: return f(form<activation::tanh>{});
  }
}

}  // namespace fauna::inline v0::simd
