// Weights as small whole numbers, 32 to a block with a scale of their own and perhaps an offset:
//   x_j = d s_{j / 16} (q_j - zero) + m
// Files have them in many orders (io/quants.hpp), and products read them in one (ops/gemm/blocks.hpp); what both mean
// is here.
#pragma once
#include <fauna/core/dtype.hpp>

namespace fauna::inline v0 {

struct BlockCode {
  static constexpr int elements = 32;  ///< of a block

  int bits = 0;         ///< of a q: 4, 5, 6 or 8; 0: numbers that are not in blocks
  int zero = 0;         ///< the q that stands for 0; without meaning where there is an offset
  bool offset = false;  ///< is there an m?
  bool wide = false;    ///< d and m are f32, else f16
  bool halves = false;  ///< is there an s, of 8 bits, for either half?
  constexpr bool operator==(BlockCode const&) const = default;
};

/// One block.
struct CodeBlock {
  std::uint8_t q[BlockCode::elements];
  float d, m;
  int s[2] = {1, 1};
};

}  // namespace fauna::inline v0
