// The part that nvcc compiles: what a .cu file may reach of the library, here the reference product.
#include <fauna/ops/gemm/ref.hpp>

#include "side.hpp"

namespace narrow {

using Product = fauna::gemm<fauna::Ref<float>>;
using fauna::dyn, fauna::Matrix;

static void product(const float* a, const float* b, float* c, int m, int n, int k) {
  Product::nt(fauna::Ref<float>{}, Matrix<const float>(a, m, k), Matrix<const float>(b, n, k), Matrix<float>(c, m, n));
}

Side side() { return {"narrow (nvcc)", fauna::build_tag, reinterpret_cast<const void*>(&product), product}; }

}  // namespace narrow
