// Compiled once for each part of the program, with -DSIDE=narrow or -DSIDE=wide and that part's flags.
#include <cstdlib>

#include <fauna/ops/gemm/cpu.hpp>

#include "side.hpp"

#define TEXT_OF(x) #x
#define TEXT(x) TEXT_OF(x)

namespace SIDE {

using Product = fauna::gemm<fauna::Cpu<>>;
using fauna::dyn, fauna::Matrix;

static void product(const float* a, const float* b, float* c, int m, int n, int k) {
  const std::size_t bytes = Product::workspace(m, n, k, 2);
  void* const memory = std::aligned_alloc(fauna::alignment, fauna::aligned(bytes));
  fauna::Arena scratch(memory, bytes);
  Product::nt(fauna::Cpu<>{2, &scratch}, Matrix<const float>(a, m, k), Matrix<const float>(b, n, k),
              Matrix<float>(c, m, n));
  std::free(memory);
}

Side side() {
  const auto kernel = &Product::nt<const float, dyn, dyn, const float, dyn, dyn, dyn, dyn>;
  return {TEXT(SIDE), fauna::build_tag, reinterpret_cast<const void*>(kernel), product};
}

}  // namespace SIDE
