// 01: a view and an op.
//
// A view is a pointer with a shape. It owns nothing; its width is part of its type, its number of rows is a value.
// An op is a class template on the backend: gemm<Cpu<>> is the packed, vectorised matrix product, gemm<Ref<float>> the
// three loops that it is tested against. Ops allocate nothing: they work in an arena that was sized beforehand.
#include <cmath>
#include <cstdio>

#include <fauna/backend/memory.hpp>
#include <fauna/ops/gemm/cpu.hpp>
#include <fauna/ops/gemm/ref.hpp>

using namespace fauna;

int main() {
  // Two rows of three features, and a linear map from three features to four, stored [out, in] as checkpoints do.
  const float x_data[] = {1, 2, 3, 4, 5, 6};
  const float w_data[] = {1, 0, 0, 0, 1, 0, 0, 0, 1, 1, 1, 1};
  float y_data[8], reference_data[8];
  const View<const float, dyn, 3> x(x_data, 2);
  const View<const float, 4, 3> w(w_data);
  const View<float, dyn, 4> y(y_data, 2), reference(reference_data, 2);
  static_assert(sizeof(x) == 16);  // a pointer, the number of rows, the stride: the width takes no room

  // How much scratch does the op need at this shape? Ask, allocate once, hand it over in the backend.
  Cpu<> cpu;
  const Region memory(gemm<Cpu<>>::workspace(x.rows(), w.rows(), x.cols(), cpu.threads));
  Arena scratch = memory.arena();
  cpu.scratch = &scratch;

  // y = x Wᵀ. Kernels take Matrix<T>, a view of which both extents are values: reading() and matrix() make one.
  gemm<Cpu<>>::nt(cpu, reading(x), reading(w), matrix(y), {});
  gemm<Ref<float>>::nt(Ref<float>{}, x, w, reference, {});

  for (int r = 0; r < y.rows(); ++r) {
    for (int c = 0; c < y.cols(); ++c) std::printf("%5g", static_cast<double>(y(r, c)));
    std::printf("\n");
  }

  // Views are cut without copying: columns 1 and 2 of y share y's memory and keep its stride.
  const auto middle = y.columns<1, 2>();
  std::printf("y(1, 1) is %g, seen through a slice %g\n", static_cast<double>(y(1, 1)),
              static_cast<double>(middle(1, 0)));

  float difference = 0;
  for (int r = 0; r < 2; ++r)
    for (int c = 0; c < 4; ++c) difference = std::fmax(difference, std::fabs(y(r, c) - reference(r, c)));
  std::printf("kernel and reference differ by %g\n", static_cast<double>(difference));
  return difference == 0 ? 0 : 1;  // small whole numbers: every sum is exact
}
