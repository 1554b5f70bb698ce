// Floats as people wrote them.
#pragma once
#include <fauna/core/number_text.hpp>

namespace tool {

/// A float as the double of its shortest text: 0.1, not 0.10000000149.
inline double shortest(float v) {
  double d = 0;
  fauna::number_text::parse(fauna::number_text::of(v), d);
  return d;
}

}  // namespace tool
