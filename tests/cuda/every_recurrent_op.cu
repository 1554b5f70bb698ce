// Every op of the recurrent mixers on the CUDA policy: compiled beside every_op.cu, to see that nvcc takes them and
// what registers they need. There is nothing to run.
#include <fauna/backend/cuda.cuh>
#include <fauna/ops/conv/kernel.cuh>
#include <fauna/ops/product/kernel.cuh>
#include <fauna/ops/recurrence/kernel.cuh>
#include <fauna/ops/rwkv7/kernel.cuh>
#include <fauna/ops/scan/kernel.cuh>
#include <fauna/ops/token_shift/kernel.cuh>
#include <fauna/ops/wkv7/kernel.cuh>

using namespace fauna;

namespace {

template <class B> void every_recurrent_op(B const& b) {
  const Matrix<float> m;
  float* const f = nullptr;
  causal_conv<B>::forward(b, {}, m, m, f, m, m);
  causal_conv<B>::backward(b, {}, m, m, m, m, m, m, f, m);
  product<B>::run(b, m, m, m);
  rwkv7_mix<B>::inputs(b, 1, m, m, m, f, f, {});
  rwkv7_mix<B>::inputs_backward(b, 1, m, m, m, f, f, {}, m, m, m, f, f);
  rwkv7_mix<B>::value(b, m, m, m, m);
  rwkv7_mix<B>::value_backward(b, m, m, m, m, m, m, m);
  rwkv7_mix<B>::outputs(b, 1, m, {}, m, f, f, f, 1e-5, m);
  rwkv7_mix<B>::outputs_backward(b, 1, m, {}, m, f, f, f, 1e-5, m, m, {}, m, f, f, f);
  selective_scan<B>::rates(b, m, m);
  selective_scan<B>::rates_backward(b, m, m, m);
  selective_scan<B>::forward(b, {}, {}, m, f, m, m, m);
  selective_scan<B>::backward(b, {}, {}, m, f, m, m, m, {}, m, f, m);
  token_shift<B>::forward(b, {}, m, m, m, m);
  token_shift<B>::backward(b, {}, m, m, m, m, m, m, m);
  wkv7<B>::forward(b, {}, 1, {}, m, m, m);
  wkv7<B>::backward(b, {}, 1, {}, m, m, {}, m);
}

}  // namespace

void compiled_not_run(Cuda<> const& b) { every_recurrent_op(b); }

int main() {}
