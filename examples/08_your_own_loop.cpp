// 08: your own loop, loss and optimizer.
//
//   loss       is the head's: here cross-entropy with smoothed labels, over the library's matrix products
//   optimizer  sees the parameters as a list of segments: here Lion, six lines
//   loop       is yours: draw a batch, accumulate, update
#include <cmath>
#include <cstdio>

#include <fauna/fauna.hpp>

using namespace fauna;

/// Label smoothing (Szegedy et al. 2016, "Rethinking the Inception architecture", section 7). With logits z and target
/// t:   loss = log Σ_v exp z_v - (1 - ε) z_t - ε mean(z)      dz_v = softmax(z)_v - (1 - ε) [v = t] - ε / V
/// Training uses loss_and_gradient; evaluation keeps LmHead's plain cross-entropy, so losses stay comparable.
template <int Width, int Vocab> struct SmoothedHead : LmHead<Width, Vocab> {
  using Plain = LmHead<Width, Vocab>;
  static constexpr double epsilon = 0.1;

  /// Scratch is planned: what forward and backward take is declared here, or the arena says so and stops.
  template <class B> static constexpr void plan_scratch(Shape const& s, Arena& a) {
    Plain::template plan_scratch<B>(s, a);
    Scope scope(a);
    a.take_view<typename B::scalar, dyn, Vocab>(s.rows());
    plan_workspace(gemm<B>::workspace(s.rows(), Vocab, Width, s.threads), a);
    plan_workspace(gemm<B>::workspace(s.rows(), Width, Vocab, s.threads), a);
    plan_workspace(gemm<B>::workspace(Vocab, Width, s.rows(), s.threads), a);
  }
  /// losses [rows]; dx and dw receive the gradient times `scale`.
  template <class C>
  static void loss_and_gradient(C const& c, auto const& w, auto& dw, Matrix<const typename C::scalar> x,
                                const int* targets, typename C::scalar scale, typename C::scalar* losses,
                                Matrix<typename C::scalar> dx) {
    using S = typename C::scalar;
    using B = typename C::backend_type;
    Scope scope(c.scratch());
    const auto z = c.scratch().template take_view<S, dyn, Vocab>(x.rows());
    Plain::logits(c, w, x, z);
    for (int r = 0; r < x.rows(); ++r) {
      S most = z(r, 0), sum{}, mean{};
      for (int v = 1; v < Vocab; ++v) most = std::fmax(most, z(r, v));
      for (int v = 0; v < Vocab; ++v) {
        sum += std::exp(z(r, v) - most);
        mean += z(r, v) / Vocab;
      }
      const S log_sum = most + std::log(sum), e = static_cast<S>(epsilon);
      losses[r] = log_sum - (1 - e) * z(r, targets[r]) - e * mean;
      for (int v = 0; v < Vocab; ++v)
        z(r, v) = scale * (std::exp(z(r, v) - log_sum) - (v == targets[r] ? 1 - e : 0) - e / Vocab);
    }
    gemm<B>::nn(c.backend, reading(z), reading(w.weight), dx, {});
    gemm<B>::tn(c.backend, reading(z), x, matrix(dw.weight),
                {.base = dw.weight.data(), .base_stride = dw.weight.stride()});  // dW += dzᵀ x
  }
};

constexpr int vocab = 28, width = 64, context = 32;
struct Trunk : Seq<At<"wpe", LearnedPosition<context, width>>, At<"h", Stack<0, 2, GptLayer<width, 4, false, Rate{}>>>,
                   At<"ln_f", LayerNorm<width>>> {};
struct Model : Lm<At<"wte", Embedding<vocab, width>>, Trunk, At<"lm_head", SmoothedHead<width, vocab>>> {};

/// Lion (Chen et al. 2023, "Symbolic discovery of optimization algorithms", program 1): the sign of a momentum.
void lion(Trained<Model, Cpu<>>& model, float lr, float beta1, float beta2, float decay) {
  for (auto& s : model.segments())
    for (std::size_t i = 0; i < s.size; ++i) {
      const float g = s.gradient[i], u = beta1 * s.m[i] + (1 - beta1) * g;
      s.value[i] -= lr * (static_cast<float>((u > 0) - (u < 0)) + decay * s.value[i]);
      s.m[i] = beta2 * s.m[i] + (1 - beta2) * g;
      s.gradient[i] = 0;
    }
}

int main() {
  std::string lines;
  for (int i = 0; i < 60; ++i) lines += "pack my box with five dozen liquor jugs\na quick wizard vexed jumbo frogs\n";
  const auto text = CharText::from_string(lines);

  Trained<Model, Cpu<>> model(seed{3}, default_threads());
  BatchMemory batch(16, context);
  model.prepare_training({.sequences = 16, .length = context});  // all memory, here and never again
  const Key key{3, 0};
  const int steps = 200;
  for (int step = 0; step <= steps; ++step) {
    batch.draw(text.train(), key, static_cast<std::uint64_t>(step));
    const double loss = model.accumulate(batch.batch());
    const float left = 1 - static_cast<float>(step) / static_cast<float>(steps);
    lion(model, 1e-3F * left, 0.9F, 0.99F, 0.1F);
    if (step % 50 == 0)
      std::printf("step %3d  smoothed loss %.4f  validation, plain %.4f\n", step, loss,
                  evaluate(model, text.val(), batch));
  }
  return evaluate(model, text.val(), batch) < 0.5 ? 0 : 1;
}
