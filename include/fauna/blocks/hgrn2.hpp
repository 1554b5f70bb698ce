// HGRN2 (Qin et al. 2024, "HGRN2: Gated linear RNNs with state expansion", section 3.2), in the names of
// flash-linear-attention's checkpoints. Gated linear attention whose keys are what does not stay.
//   C  Width     H  Heads, of K columns for queries and forget gates and N for inputs
//   q = silu(x W_qᵀ)      f = σ(x W_fᵀ)      i = x W_iᵀ
//   S_t = diag(f_t) S_{t-1} + (1 - f_t) i_tᵀ      o_t = S_tᵀ q_t / √K      out = RmsNorm(o) W_oᵀ
// A model may hold f above a bound that grows with the layer (section 3.3 of HGRN, Qin et al. 2023): not here, where
// the bound is 0. 1 - σ(z) is σ(-z).
#pragma once
#include <fauna/blocks/activation.hpp>
#include <fauna/blocks/columns.hpp>
#include <fauna/blocks/linear.hpp>
#include <fauna/blocks/norm.hpp>
#include <fauna/blocks/recurrence.hpp>
#include <fauna/blocks/scaled.hpp>
#include <fauna/compose/at.hpp>
#include <fauna/compose/concat.hpp>
#include <fauna/compose/seq.hpp>

namespace fauna::inline v0 {

/// Rows of [q | z | i] to rows of [q | σ(-z) | i | σ(z)]: q and z of QZ columns each, i of V.
template <int QZ, int V>
struct KeysFromFades
    : Concat<Columns<2 * QZ + V, 0, QZ>,
             Seq<Columns<2 * QZ + V, QZ, QZ>, Scaled<QZ, Multiplier{-1}>, Activation<QZ, activation::sigmoid>>,
             Columns<2 * QZ + V, 2 * QZ, V>, Seq<Columns<2 * QZ + V, QZ, QZ>, Activation<QZ, activation::sigmoid>>> {};

/// Rows of Width columns to rows of Width. Its state: K rows of N numbers a head.
template <int Width, int Heads, int K, int N>
struct Hgrn2
    : Seq<Concat<Seq<At<"q_proj", Linear<Width, Heads * K, false>>, Silu<Heads * K>>,
                 At<"f_proj", Linear<Width, Heads * K, false>>, At<"i_proj", Linear<Width, Heads * N, false>>>,
          KeysFromFades<Heads * K, Heads * N>, Recur<Recurrence{.fade = fades::by_key}, Heads, Heads, K, N>,
          At<"g_norm", RmsNorm<Heads * N>>, At<"o_proj", Linear<Heads * N, Width, false, residual_normal(0.02F)>>> {};

}  // namespace fauna::inline v0
