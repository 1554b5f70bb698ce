// 02: a block and its gradient, checked with dual numbers.
//
// A block is a struct of static functions: forward and backward over views, and nested structs that say what its
// weights are and what it saves in between. It holds no data, and it is generic in the scalar.
//
// A dual number v + d ε (ε² = 0) carries a derivative along: f(x + ε u) = f(x) + ε f'(x)·u. So one forward pass on dual
// numbers gives the exact derivative along one direction u, with no step size to choose. backward gives the whole
// gradient. Then gradient · u must be that derivative, to rounding.
#include <cmath>
#include <cstdio>
#include <vector>

#include <fauna/blocks/activation.hpp>
#include <fauna/compose/seq.hpp>
#include <fauna/core/dual.hpp>
#include <fauna/ops/ref.hpp>

using namespace fauna;

using Block = Seq<At<"up", Linear<3, 8>>, Gelu<8>, At<"down", Linear<8, 3>>>;
constexpr int rows = 5;

/// Memory for one pass over the block in the scalar S.
template <class S> struct Pass {
  std::vector<S> values = std::vector<S>(Block::parameters), gradients = values;
  std::vector<S> x = std::vector<S>(rows * 3), y = x, dy = x, dx = x;
  alignas(64) std::byte memory[2][16384];

  /// The sum of all outputs squared, halved; gradients and dx then hold its derivatives.
  S run(bool backward) {
    Block::Weights<All<S>> w, dw;
    bind(w, values);
    bind(dw, gradients);
    const Batch batch = Batch::uniform(1, rows);
    Arena keeps(memory[0], sizeof memory[0]), scratch(memory[1], sizeof memory[1]);
    Block::Saved<S> saved;
    Block::plan(saved, {.sequences = 1, .length = rows}, keeps);
    Call<Ref<S>> call;  // Ref: every op as its plain loops, in any scalar
    call.backend.scratch = &scratch;
    call.batch = &batch;
    call.mode = mode::train;
    Block::State<S> no_state;

    const View<const S, dyn, 3> xv(x.data(), rows);
    Block::forward(call, w, no_state, xv, View<S, dyn, 3>(y.data(), rows), saved);
    S loss{};
    for (const S& v : y) loss += S(0.5) * v * v;
    if (backward) {
      dy = y;  // d(v² / 2) / dv = v
      Block::backward(call, w, dw, xv, saved, View<const S, dyn, 3>(dy.data(), rows), View<S, dyn, 3>(dx.data(), rows),
                      no_state);
    }
    return loss;
  }
  /// `visit` lists a block's tensors; here each gets its place in one flat array.
  static void bind(Block::Weights<All<S>>& w, std::vector<S>& flat) {
    S* at = flat.data();
    Block::visit(w, Place{}, [&at](Tensor const& t, auto& v) {
      v = Matrix<S>(at, t.rows, t.cols);
      at += t.size();
    });
  }
};

int main() {
  Pass<double> plain;
  Pass<Dual> dual;
  const Key values{1, 1}, directions{1, 2};
  std::vector<double> u(plain.values.size() + plain.x.size());  // the direction: weights first, then x
  for (std::size_t i = 0; i < u.size(); ++i) {
    const bool weight = i < plain.values.size();
    const std::size_t k = weight ? i : i - plain.values.size();
    const double v = static_cast<double>(values.normal(i));
    u[i] = static_cast<double>(directions.normal(i));
    (weight ? plain.values : plain.x)[k] = v;
    (weight ? dual.values : dual.x)[k] = Dual(v, u[i]);
  }

  const Dual along = dual.run(false);
  plain.run(true);
  double dot = 0, terms = 0;
  for (std::size_t i = 0; i < u.size(); ++i) {
    const std::size_t n = plain.values.size();
    const double term = u[i] * (i < n ? plain.gradients[i] : plain.dx[i - n]);
    dot += term;
    terms += std::abs(term);
  }
  const double error = std::abs(dot - along.d) / terms;
  std::printf("derivative along u, dual numbers: %+.15f\n", along.d);
  std::printf("gradient · u, backward:           %+.15f\n", dot);
  std::printf("difference over the sum of |terms|: %.1e\n", error);
  return error < 1e-14 ? 0 : 1;
}
