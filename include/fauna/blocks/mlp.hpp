// Mlp: two matrices with an activation between them (Vaswani et al. 2017, section 3.3), GPT-2's names.
#pragma once
#include <fauna/blocks/activation.hpp>
#include <fauna/blocks/dropout.hpp>
#include <fauna/compose/at.hpp>
#include <fauna/compose/stored_as.hpp>

namespace fauna::inline v0 {

template <int Width, int Hidden, class Activation = Gelu<Hidden>, bool Bias = true, Rate Drop = Rate{}>
struct Mlp : with_dropout<Seq<At<"c_fc", StoredAs<conv1d, Linear<Width, Hidden, Bias>>>, Activation,
                              At<"c_proj", StoredAs<conv1d, Linear<Hidden, Width, Bias, residual_normal(0.02F)>>>>,
                          Drop> {};

}  // namespace fauna::inline v0
