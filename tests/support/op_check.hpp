// What tests of several ops share.
#pragma once
#include <fauna/core/activation.hpp>

namespace test {

template <class B> B with_threads(int threads) {
  B b;
  b.threads = threads;
  return b;
}

inline constexpr fauna::activation activations[] = {
    fauna::activation::none, fauna::activation::gelu,         fauna::activation::gelu_tanh, fauna::activation::silu,
    fauna::activation::relu, fauna::activation::relu_squared, fauna::activation::sigmoid,   fauna::activation::tanh};

}  // namespace test
