// Attention of every row to one prefix, which all of them see, beside attention proper (Zhang et al. 2023,
// "LLaMA-Adapter: Efficient fine-tuning of language models with zero-init attention", section 3.2). For a head h, with
// the prefix's K rows of keys k and values v of its key head:
//   p = softmax_j(scale q · k_j)    o = Σ_j p_j v_j    y = base + g_h o
//   dg_h += dy · o    dp_j = g_h dy · v_j    ds_j = p_j (dp_j - Σ_i p_i dp_i)
//   dq += scale Σ_j ds_j k_j    dk_j = scale Σ_rows ds_j q    dv_j = Σ_rows p_j g_h dy
#pragma once
#include <fauna/core/backend.hpp>
#include <fauna/core/view.hpp>

namespace fauna::inline v0 {

/// Query head h reads key head h / (heads / kv_heads).
struct PrefixShape {
  int heads = 1, kv_heads = 1;
  double scale = 1;
};

/// prefix_attention<B>::forward<K>(b, shape, q [R, heads D], k [K, kv_heads D], v, gate [heads], base [R, heads D], y)
///   y may be base
/// prefix_attention<B>::backward<K>(b, shape, q, k, v, gate, dy [R, heads D], dq, dk, dv, dgate)
///   adds to dq, and to dgate, which may be null; overwrites dk and dv
/// They take no scratch: backward computes p again. A row's y and dq depend on that row alone; dk, dv and dgate are
/// sums in ascending order of rows. The bits do not depend on the number of threads.
template <class B> struct prefix_attention {
  static_assert(always_false<B>,
                "fauna: no prefix_attention for this backend: include <fauna/ops/prefix_attention/cpu.hpp> or ref.hpp");
};

}  // namespace fauna::inline v0
