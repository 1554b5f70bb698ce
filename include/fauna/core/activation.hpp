// The pointwise non-linearities by name. What they compute is in ops/activation/op.hpp.
#pragma once
#include <fauna/core/version.hpp>

namespace fauna::inline v0 {

enum class activation : int { none, gelu, gelu_tanh, silu, relu, relu_squared, sigmoid, tanh };

constexpr const char* name_of(activation a) {
  constexpr const char* names[] = {"none", "gelu", "gelu_tanh", "silu", "relu", "relu_squared", "sigmoid", "tanh"};
  return names[static_cast<int>(a)];
}

}  // namespace fauna::inline v0
