// 07: from and to Eigen, without a copy.
//
// as_eigen(view) is an Eigen::Map of the view's memory, as_view(matrix) a view of a row-major Eigen matrix. The library
// itself does not use Eigen; this header is the one place that includes it.
#include <cstdio>

#include <fauna/fauna.hpp>
#include <fauna/interop/eigen.hpp>

using namespace fauna;

int main() {
  // A model's weights, seen by Eigen. W is [out, in].
  Trained<NanoGptCpu, Cpu<>> model(seed{1337});
  const Matrix<float> w = model.value(model.parameter("transformer.h.0.mlp.c_fc.weight"));
  const auto weight = as_eigen(w);
  std::printf("c_fc of layer 0: %d x %d, deviation %.4f (it was drawn with 0.02)\n", static_cast<int>(weight.rows()),
              static_cast<int>(weight.cols()),
              static_cast<double>(weight.norm()) / std::sqrt(static_cast<double>(weight.size())));

  // Rows that Eigen made, multiplied by our kernel and by Eigen. The width 128 is checked here, once, at run time; from
  // there on the type carries it.
  using Rows = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  const Rows x = Rows::Random(10, 128);
  Rows y(10, 512);
  Cpu<> cpu;
  const Region memory(gemm<Cpu<>>::workspace(10, 512, 128, cpu.threads));
  Arena scratch = memory.arena();
  cpu.scratch = &scratch;
  gemm<Cpu<>>::nt(cpu, reading(as_view<128>(x)), reading(w), matrix(as_view<512>(y)), {});
  const Rows expected = x * weight.transpose();
  const float difference = (y - expected).cwiseAbs().maxCoeff();
  // Sums of 128 products of at most 1 x 0.1, in different orders: far below 128 · 0.1 · 2⁻²⁴ · 128 = 1e-4.
  std::printf("our product and Eigen's differ by at most %.1e\n", static_cast<double>(difference));

  // Writing through a map changes the model: scale the token table, and its norm follows.
  const auto table = model.value(model.parameter("transformer.wte.weight"));
  const float before = as_eigen(table).norm();
  as_eigen(table) *= 2;
  const float after = as_eigen(model.value(model.parameter("transformer.wte.weight"))).norm();
  std::printf("norm of the token table: %.4f, doubled %.4f\n", static_cast<double>(before), static_cast<double>(after));
  return difference < 1e-4F && std::fabs(after - 2 * before) < 1e-3F ? 0 : 1;
}
