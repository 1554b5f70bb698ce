// Every op of the recurrent mixers on the CUDA policy: compiled beside every_op.cu, to see that nvcc takes them and
// what registers they need. There is nothing to run.
#include <fauna/backend/cuda.cuh>
#include <fauna/ops/conv/kernel.cuh>
#include <fauna/ops/fade/kernel.cuh>
#include <fauna/ops/gated_norm/kernel.cuh>
#include <fauna/ops/mamba3/kernel.cuh>
#include <fauna/ops/mlstm_gates/kernel.cuh>
#include <fauna/ops/product/kernel.cuh>
#include <fauna/ops/recurrence/kernel.cuh>
#include <fauna/ops/rg_lru/kernel.cuh>
#include <fauna/ops/rwkv7/kernel.cuh>
#include <fauna/ops/scan/kernel.cuh>
#include <fauna/ops/ssd/kernel.cuh>
#include <fauna/ops/token_mix/kernel.cuh>
#include <fauna/ops/token_shift/kernel.cuh>
#include <fauna/ops/unit_heads/kernel.cuh>
#include <fauna/ops/wkv4/kernel.cuh>
#include <fauna/ops/wkv6/kernel.cuh>
#include <fauna/ops/wkv7/kernel.cuh>

using namespace fauna;

namespace {

template <Recurrence R, class B> void recur(B const& b) {
  const Matrix<float> m;
  recurrence<R, B>::forward(b, {}, {}, {}, m, m, m);
  recurrence<R, B>::backward(b, {}, {}, {}, m, m, {}, m);
}

/// The kin that blocks of the library have.
template <class B> void every_kin(B const& b) {
  recur<Recurrence{.fade = fades::fixed}>(b);
  recur<Recurrence{.fade = fades::by_key}>(b);
  recur<Recurrence{.erase = erases::delta, .strength = true}>(b);
  recur<Recurrence{.fade = fades::by_head, .erase = erases::delta, .strength = true}>(b);
  recur<Recurrence{.fade = fades::by_key, .erase = erases::delta, .strength = true}>(b);
  recur<Recurrence{.fade = fades::by_head, .strength = true, .normalised = true}>(b);
}

template <class B> void every_recurrent_op(B const& b) {
  const Matrix<float> m;
  float* const f = nullptr;
  causal_conv<B>::forward(b, {}, m, m, f, m, m);
  causal_conv<B>::backward(b, {}, m, m, m, m, m, m, f, m);
  fade_gate<B>::forward(b, {}, m, f, f, m);
  fade_gate<B>::backward(b, {}, m, f, f, m, m, f, f);
  gated_norm<B>::forward(b, {1, true}, m, m, f, m, m);
  gated_norm<B>::backward(b, {1, true}, m, m, f, m, m, m, m, f);
  mamba3_gates<B>::forward(b, {}, {}, {}, f, {}, {});
  mamba3_gates<B>::backward(b, {}, {}, {}, f, {}, {}, {}, {}, f, {});
  mamba3_heads<B>::forward(b, {}, {}, {}, m, m, m);
  mamba3_heads<B>::backward(b, {}, m, m, m, m, m, {}, {}, m);
  mamba3_skip<B>::forward(b, {}, {}, f, m);
  mamba3_skip<B>::backward(b, {}, {}, f, m, {}, f);
  mlstm_gates<B>::forward(b, {}, 0, {}, m, {});
  mlstm_gates<B>::backward(b, {}, 0, {}, m, {}, {}, m);
  product<B>::run(b, m, m, m);
  rg_lru<B>::forward(b, {}, {}, f, m, m);
  rg_lru<B>::backward(b, {}, {}, f, m, m, m, {}, f, m);
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
  ssd<B>::forward(b, {}, {1, 1, 1, 1}, {}, {}, m, m, m);
  ssd<B>::backward(b, {}, {1, 1, 1, 1}, {}, {}, m, m, {}, {}, m);
  token_mix<B>::forward(b, m, m, m, m, m);
  token_mix<B>::backward(b, m, m, m, m, m, m, m, m, m);
  token_shift<B>::forward(b, {}, m, m, m, m);
  token_shift<B>::backward(b, {}, m, m, m, m, m, m, m);
  unit_heads<B>::forward(b, 1, 1e-6, m, m);
  unit_heads<B>::backward(b, 1, 1e-6, m, m, m);
  wkv4<B>::forward(b, {}, {}, f, f, m, m, m);
  wkv4<B>::backward(b, {}, {}, f, f, m, m, m, {}, f, f, m);
  wkv6<B>::forward(b, {}, 1, {}, f, m, m, m);
  wkv6<B>::backward(b, {}, 1, {}, f, m, m, {}, f, m);
  wkv7<B>::forward(b, {}, 1, {}, m, m, m);
  wkv7<B>::backward(b, {}, 1, {}, m, m, {}, m);
}

}  // namespace

void compiled_not_run(Cuda<> const& b) {
  every_recurrent_op(b);
  every_kin(b);
}

int main() {}
