// Weights as small whole numbers, 32 to a block with a scale of their own and perhaps an offset:
//   x_j = d s_h w(q_j) + m t_h      w(q) = q - zero, or what a table has there; h = j / 16
// Files have them in many orders (io/quants.hpp), and products read them in one (ops/gemm/blocks.hpp); what both mean
// is here.
#pragma once
#include <fauna/core/dtype.hpp>

namespace fauna::inline v0 {

/// What four bits may stand for: ggml's nonlinear values, or twice those of E2M1 (OCP Microscaling Formats 1.0).
enum class code_table : int { none, nonlinear, e2m1 };
inline constexpr signed char code_tables[][16] = {
    {},
    {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113},
    {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12}};

struct BlockCode {
  static constexpr int elements = 32;  ///< of a block

  int bits = 0;         ///< of a q: 2 to 6, or 8; 0: numbers that are not in blocks
  int zero = 0;         ///< the q that stands for 0; 0 where there is an offset, or a table
  bool offset = false;  ///< is there an m?
  bool wide = false;    ///< d and m are f32, else f16
  bool halves = false;  ///< are there s, and t where there is an offset, of 8 bits for either half?
  code_table table = code_table::none;

  constexpr bool operator==(BlockCode const&) const = default;
  constexpr int whole(unsigned q) const {
    return table == code_table::none ? static_cast<int>(q) - zero : code_tables[static_cast<int>(table)][q];
  }
};

/// One block.
struct CodeBlock {
  std::uint8_t q[BlockCode::elements];
  float d, m;
  int s[2] = {1, 1}, t[2] = {1, 1};
  /// Number j.
  constexpr float operator()(BlockCode const& code, int j) const {
    const int h = j / (BlockCode::elements / 2);
    const float x = d * static_cast<float>(s[h]) * static_cast<float>(code.whole(q[j]));
    return code.offset ? x + m * static_cast<float>(t[h]) : x;
  }
};

}  // namespace fauna::inline v0
