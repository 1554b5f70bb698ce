// Medusa-1 (Cai et al. 2024, section 2.2.1): heads that are trained on a model which stays as it is.
//   loss = Σ_k λ^k mean over rows of CE(head(z_k), the token k + 2 places on),  k from 0 on;  z_k as decode/speculate/
//   medusa.hpp has it. The head is the model's own, frozen: dz comes through it, and goes no further than W_k and b_k.
#pragma once
#include <cmath>
#include <string>
#include <vector>

#include <fauna/decode/loaded.hpp>
#include <fauna/decode/speculate/medusa.hpp>
#include <fauna/train/windows.hpp>

namespace fauna::inline v0 {

struct MedusaOptions {
  int heads = 3, steps = 200, batch = 4, context = 64;                 ///< batch: windows of `context` tokens
  double lr = 1e-3, decay_per_head = 0.8, beta1 = 0.9, beta2 = 0.999;  ///< decay_per_head: λ
  std::uint64_t seed = 1337;
};

/// Trains heads on a text. see(step, losses [heads] in nats) after each update. Weights of the target are All<float>:
/// the head's gradient goes through them as rows.
template <LanguageModel M, Backend B, class F>
MedusaWeights train_medusa(Loaded<M, B, All<float>>& target, std::vector<int> const& ids, MedusaOptions const& o,
                           F&& see) {
  constexpr int d = M::width;
  const int R = o.batch * o.context;
  if (o.heads < 1 || o.steps < 0 || o.batch < 1 || o.context < 1)
    fail("medusa",
         std::to_string(o.heads) + " heads, " + std::to_string(o.steps) + " steps of " + std::to_string(o.batch) +
             " windows of " + std::to_string(o.context) + " tokens",
         "at least one of each");
  const int windows = windows_of("medusa", ids.size(), o.context, o.heads + 1);
  const auto rows = static_cast<std::size_t>(R);
  MedusaWeights w = MedusaWeights::initial(o.heads, d, M::vocab);
  std::vector<float> h(rows * d), a(rows * d), z(rows * d), dz(rows * d), losses(rows),
      mean(static_cast<std::size_t>(o.heads));
  std::vector<float> dw(w.weight.size()), db(w.bias.size());
  std::vector<float> moments[2][2] = {{dw, dw}, {db, db}};  ///< of weights, of biases: first and second
  std::vector<int> tokens(rows), targets(rows), starts(static_cast<std::size_t>(o.batch));
  target.prepare_inference({.sequences = o.batch, .length = o.context});
  Scratch<B> scratch;
  const auto room = [&](int m, int n, int k) { return gemm<B>::workspace(m, n, k, target.threads()); };
  const std::size_t forth = room(R, d, d), back = room(d, d, R);
  scratch.grow(forth > back ? forth : back);
  const B b = scratch.backend(target.threads());
  const auto matrix = [](std::vector<float>& v) { return Matrix<float>(v.data(), static_cast<int>(v.size()) / d, d); };

  for (int step = 0; step < o.steps; ++step) {
    for (std::size_t s = 0; s < starts.size(); ++s) {
      const Key draw = Key{o.seed, 0x6d6564}.child(static_cast<std::uint64_t>(step)).child(s);
      starts[s] = static_cast<int>(window_start(draw, windows));
      for (int t = 0; t < o.context; ++t)
        tokens[s * static_cast<std::size_t>(o.context) + static_cast<std::size_t>(t)] =
            ids[static_cast<std::size_t>(starts[s] + t)];
    }
    target.hidden(Batch::uniform(o.batch, o.context, tokens.data()), matrix(h));
    for (int k = 0; k < o.heads; ++k) {
      const Matrix<float> W(w.of_weight(k), d, d), dW(dw.data() + static_cast<std::ptrdiff_t>(k) * d * d, d, d);
      Epilogue<float> with_bias;
      with_bias.bias = w.bias.data() + static_cast<std::ptrdiff_t>(k) * d;
      gemm<B>::nt(b, reading(matrix(h)), reading(W), matrix(a), with_bias);
      for (std::size_t i = 0; i < z.size(); ++i) z[i] = h[i] + a[i] / (1 + std::exp(-a[i]));
      for (std::size_t r = 0; r < rows; ++r) {
        const std::size_t s = r / static_cast<std::size_t>(o.context), t = r % static_cast<std::size_t>(o.context);
        targets[r] = ids[static_cast<std::size_t>(starts[s]) + t + 2 + static_cast<std::size_t>(k)];
      }
      const double factor = std::pow(o.decay_per_head, k) / R;
      target.head_gradient(reading(matrix(z)), targets.data(), static_cast<float>(factor), losses.data(), matrix(dz));
      float* const of_bias = db.data() + static_cast<std::ptrdiff_t>(k) * d;
      for (int c = 0; c < d; ++c) of_bias[c] = 0;
      for (std::size_t i = 0; i < z.size(); ++i) {  // da, in dz's place
        const float s = 1 / (1 + std::exp(-a[i]));
        dz[i] *= s * (1 + a[i] * (1 - s));
        of_bias[i % d] += dz[i];
      }
      gemm<B>::tn(b, reading(matrix(dz)), reading(matrix(h)), dW);
      double sum = 0;
      for (const float l : losses) sum += static_cast<double>(l);
      mean[static_cast<std::size_t>(k)] = static_cast<float>(sum / R);
    }
    // Adam (Kingma and Ba 2015, algorithm 1), its rate falling linearly to nothing.
    const double rate = o.lr * (1 - static_cast<double>(step) / o.steps);
    const double c1 = 1 - std::pow(o.beta1, step + 1), c2 = 1 - std::pow(o.beta2, step + 1);
    const auto update = [&](std::vector<float>& value, std::vector<float> const& gradient, std::vector<float>* m) {
      for (std::size_t i = 0; i < value.size(); ++i) {
        const double g = static_cast<double>(gradient[i]);
        const double first = o.beta1 * static_cast<double>(m[0][i]) + (1 - o.beta1) * g,
                     second = o.beta2 * static_cast<double>(m[1][i]) + (1 - o.beta2) * g * g;
        m[0][i] = static_cast<float>(first);
        m[1][i] = static_cast<float>(second);
        value[i] -= static_cast<float>(rate * (first / c1) / (std::sqrt(second / c2) + 1e-8));
      }
    };
    update(w.weight, dw, moments[0]);
    update(w.bias, db, moments[1]);
    see(step, mean);
  }
  return w;
}

}  // namespace fauna::inline v0
