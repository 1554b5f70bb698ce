// The pointwise non-linearities by name. What they compute is in ops/gelu/op.hpp.
#pragma once
#include <fauna/core/version.hpp>

namespace fauna::inline v0 {

enum class activation : int { none, gelu, gelu_tanh };

}  // namespace fauna::inline v0
