// Training of EAGLE's layer on a model that stays as it is (Li et al. 2024, "EAGLE", section 4.2).
//   rows x_i = [e_{i+1} ; f_i + u_i], u uniform in ±noise, give f'_{i+1};  p, p' the laws that the head makes of f, f'
//   loss = mean over rows and columns of smooth-L1(f'_{i+1} - f_{i+1})  +  w mean over rows of -Σ_v p_v log p'_v
//   smooth-L1(d) = d² / 2 where |d| < 1, |d| - ½ elsewhere
// The head is frozen, so the second part's gradient is Wᵀ(p' - p): that of the usual cross entropy at f' less that at
// f, whatever token both are given.
#pragma once
#include <cmath>
#include <string>
#include <vector>

#include <fauna/decode/loaded.hpp>
#include <fauna/models/eagle.hpp>
#include <fauna/train/hidden_rows.hpp>
#include <fauna/train/trained.hpp>
#include <fauna/train/windows.hpp>

namespace fauna::inline v0 {

struct EagleOptions {
  int steps = 200, batch = 4, context = 64;  ///< batch: windows of `context` rows
  double lr = 1e-3;                          ///< of the first update; it falls linearly to nothing
  double law_weight = 0.1, noise = 0.1;      ///< w; of features
  double beta1 = 0.9, beta2 = 0.95, clip = 0.5;
  std::uint64_t seed = 1337;
  bool grid = false;  ///< windows begin at multiples of their length, and all are visited once an epoch
};

/// What a step came to: the smooth-L1 distance of features, and how surprised the guesses are by the text, in nats.
struct EagleLosses {
  double features = 0, tokens = 0;
};

/// The loss of guessed features [R, width] of which each has a real one, and its gradient dguess. tokens [R]: what the
/// text has there.
template <class T>
EagleLosses eagle_loss(T& target, Matrix<const float> guess, Matrix<const float> real, const int* tokens,
                       double law_weight, Matrix<float> dguess) {
  const int R = guess.rows(), d = guess.cols();
  std::vector<float> of_guess(static_cast<std::size_t>(R)), of_real(of_guess), of_law(guess.size());
  const Matrix<float> dreal(of_law.data(), R, d);
  const auto weight = static_cast<float>(law_weight / R);
  target.head_gradient(guess, tokens, weight, of_guess.data(), dguess);
  target.head_gradient(real, tokens, weight, of_real.data(), dreal);
  EagleLosses sum;
  const double elements = static_cast<double>(guess.size());
  for (int r = 0; r < R; ++r) {
    sum.tokens += static_cast<double>(of_guess[static_cast<std::size_t>(r)]) / R;
    for (int k = 0; k < d; ++k) {
      const double a = static_cast<double>(guess(r, k)) - static_cast<double>(real(r, k)), size = std::abs(a);
      sum.features += (size < 1 ? a * a / 2 : size - 0.5) / elements;
      const double slope = size < 1 ? a : a < 0 ? -1 : 1;
      dguess(r, k) += static_cast<float>(slope / elements) - dreal(r, k);
    }
  }
  return sum;
}

/// Trains a layer on a text. see(step, losses) after each update. Weights of the target are All<float>: the head's
/// gradient goes through them as rows. known: of windows of o.context + 1 tokens on the grid.
template <EagleConfig c, LanguageModel M, Backend B, class F>
void train_eagle(Trained<Eagle<c>, B>& layer, Loaded<M, B, All<float>>& target, std::vector<int> const& ids,
                 EagleOptions const& o, F&& see, HiddenRows* known = nullptr) {
  using Layer = Eagle<c>;
  static_assert(c.width == M::width && M::table_width == M::width && c.vocab == M::vocab);
  constexpr int d = M::width;
  const int R = o.batch * o.context;
  if (o.steps < 0 || o.batch < 1 || o.context < 1)
    fail("eagle",
         std::to_string(o.steps) + " steps of " + std::to_string(o.batch) + " windows of " + std::to_string(o.context) +
             " tokens",
         "at least one of each");
  const int read = o.context + 1;  // tokens of a window; what they give for the last row is only guessed
  const Key key{o.seed, 0x6561676c};
  Windows windows("eagle", ids.size(), read, 0, key, o.grid);
  std::vector<std::size_t> starts(static_cast<std::size_t>(o.batch));
  if (known != nullptr) known->require(o.grid, read);
  const int all = o.batch * read;
  std::vector<int> tokens(static_cast<std::size_t>(all)), next(static_cast<std::size_t>(R));
  std::vector<float> memory(static_cast<std::size_t>(2 * all + 7 * R) * d);
  float* free = memory.data();
  const auto matrix = [&free](int rows_, int cols) {
    const Matrix<float> m(free, rows_, cols);
    free += m.size();
    return m;
  };
  const auto H = matrix(all, d), E = matrix(all, d), X = matrix(R, 2 * d), dX = matrix(R, 2 * d), real = matrix(R, d),
             guess = matrix(R, d), dguess = matrix(R, d);
  target.prepare_inference({.sequences = o.batch, .length = read});
  layer.prepare_training({.sequences = o.batch, .length = o.context});

  for (int step = 0; step < o.steps; ++step) {
    windows.starts(step, starts);
    for (int s = 0; s < o.batch; ++s) {
      const std::size_t start = starts[static_cast<std::size_t>(s)];
      for (int t = 0; t < read; ++t)
        tokens[static_cast<std::size_t>(s * read + t)] = ids[start + static_cast<std::size_t>(t)];
      for (int t = 0; t < o.context; ++t)
        next[static_cast<std::size_t>(s * o.context + t)] = ids[start + static_cast<std::size_t>(t) + 2];
    }
    const Batch whole = Batch::uniform(o.batch, read, tokens.data());
    if (known != nullptr) known->hidden(target, starts, H);
    else target.hidden(whole, H);
    target.embed(whole, E);
    const Key noise = key.child(static_cast<std::uint64_t>(step)).child(0x6e6f6973);
    for (int r = 0; r < R; ++r) {
      const int from = r / o.context * read + r % o.context;
      for (int k = 0; k < d; ++k) {
        const double u =
            static_cast<double>(noise.uniform(static_cast<std::uint64_t>(r) * d + static_cast<std::uint64_t>(k)));
        X(r, k) = E(from + 1, k);
        X(r, d + k) = H(from, k) + static_cast<float>(o.noise * (2 * u - 1));
        real(r, k) = H(from + 1, k);
      }
    }
    EagleLosses losses;
    layer.with(Batch::uniform(o.batch, o.context), [&](auto const& call, auto& w, auto& dw, auto& saved, auto& state) {
      const View<const float, dyn, 2 * d> x(X.data(), R);
      Layer::forward(call, w, state, x, View<float, dyn, d>(guess.data(), R), saved);
      losses = eagle_loss(target, reading(guess), reading(real), next.data(), o.law_weight, dguess);
      Layer::backward(call, w, dw, x, saved, View<const float, dyn, d>(dguess.data(), R),
                      View<float, dyn, 2 * d>(dX.data(), R), state);
    });
    layer.update({.lr = o.lr * (1 - static_cast<double>(step) / o.steps),
                  .beta1 = o.beta1,
                  .beta2 = o.beta2,
                  .decay = 0,
                  .clip = o.clip});
    see(step, losses);
  }
}

}  // namespace fauna::inline v0
