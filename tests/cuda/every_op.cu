// Every op of the CUDA policy, and attention for every size of head that a model of the library has: compiled to see
// that nvcc takes them and what registers they need. There is nothing to run.
#include <fauna/ops/cuda.cuh>

using namespace fauna;

namespace {

template <class B, int HeadSize> void attend(B const& b) {
  attention<B>::template forward<HeadSize>(b, {}, {}, {}, {}, {}, {}, nullptr);
  attention<B>::template backward<HeadSize>(b, {}, {}, {}, {}, {}, {}, nullptr, {}, {}, {}, {});
  attention<B>::template sink_gradients<HeadSize>(b, {}, {}, {}, nullptr, {}, nullptr, nullptr);
}

template <class B> void every_op(B const& b) {
  const Matrix<float> m;
  const Matrix<const float> w;
  const Matrix<const bf16> half;
  const Matrix<int> i;
  float* const f = nullptr;
  activate<B>::forward(b, activation::gelu, m, m);
  activate<B>::backward(b, activation::gelu, m, m, m);
  adamw<B>::step(b, nullptr, 0, {});
  add<B>::run(b, m, m, m);
  add<B>::clear(b, m);
  add<B>::column_sums(b, m, f);
  add<B>::total(b, f, 0);
  affine<B>::forward(b, m, f, f, m);
  affine<B>::backward(b, m, f, f, m, m, f, f);
  magnitude<B>::lengths(b, m, f);
  magnitude<B>::forward(b, m, f, f, f, m);
  magnitude<B>::backward(b, m, f, f, m, m, f);
  prefix_attention<B>::template forward<10>(b, {}, m, m, m, f, m, m);
  prefix_attention<B>::template backward<10>(b, {}, m, m, m, f, m, m, m, m, f);
  clamp<B>::forward(b, 1, m, m);
  clamp<B>::backward(b, 1, m, m, m);
  clamped_swiglu<B>::forward(b, {}, m, m);
  clamped_swiglu<B>::backward(b, {}, m, m, m);
  clip<B>::global_norm(b, nullptr, 0);
  cross_entropy<B>::loss(b, m, w, f, nullptr, -1, f);
  cross_entropy<B>::loss_and_gradient(b, m, w, f, nullptr, -1, 1, f, m, m, f);
  draw_tokens<B>::forward(b, w, 1, nullptr, nullptr);
  dropout<B>::apply(b, {}, 0.1F, m, m, m);
  embedding<B>::forward(b, nullptr, w, m, m);
  embedding<B>::forward(b, nullptr, half, m, m);
  embedding<B>::backward(b, nullptr, m, m);
  expert_rows<B>::gather(b, m, nullptr, m);
  expert_rows<B>::gather_backward(b, m, i, m, m);
  expert_rows<B>::combine(b, m, i, m, m, m);
  expert_rows<B>::combine_backward(b, m, m, i, m, m, m);
  expert_rows<B>::scatter(b, m, i, m, m);
  expert_rows<B>::dots(b, m, m, i, m);
  expert_rows<B>::on_host(b, i, m, i, nullptr, 0, [](auto, auto, auto, int*) {});
  gated<B>::forward(b, activation::silu, m, m);
  gated<B>::backward(b, activation::silu, m, m, m);
  gemm<B>::nt(b, m, w, m);
  gemm<B>::nt(b, m, half, m);
  gemm<B>::nn(b, m, w, m);
  gemm<B>::tn(b, m, w, m);
  layer_norm<B>::forward(b, m, f, f, m, f, f, 1e-5);
  layer_norm<B>::backward(b, m, f, f, f, m, m, m, f, f);
  rms_norm<B>::forward(b, m, f, 0, m, f, 1e-5);
  rms_norm<B>::backward(b, m, f, 0, f, m, m, m, f);
  rope<B>::forward(b, {}, {}, m, m);
  rope<B>::backward(b, {}, {}, m, m);
  router<B>::scores(b, m, w, m);
  router<B>::scores_backward(b, m, w, m, m, m);
  router<B>::forward(b, m, {}, f, m, i, m);
  router<B>::forward(b, m, {}, w, m, i, m);
  router<B>::store(b, 1, f);
  router<B>::backward(b, m, {}, i, m, m, m, m);
  router<B>::balance(b, m, {}, nullptr, f);
  router<B>::balance_gradient(b, m, {}, nullptr, 1, m);
  router<B>::z(b, m, f);
  router<B>::z_gradient(b, m, 1, m);
  row_gate<B>::forward(b, m, m);
  row_gate<B>::backward(b, m, m, m);
  scale<B>::run(b, 2, m);
  sgd<B>::step(b, nullptr, 0, {});
  softmax_heads<B>::forward(b, 1, m, m);
  softmax_heads<B>::backward(b, 1, m, m, m);
  attend<B, 16>(b);
  attend<B, 32>(b);
  attend<B, 64>(b);
  attend<B, 80>(b);
  attend<B, 96>(b);
  attend<B, 128>(b);
  attend<B, 256>(b);
}

}  // namespace

void compiled_not_run(Cuda<> const& b) { every_op(b); }

int main() {}
