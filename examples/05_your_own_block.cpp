// 05: write your own block. Here: another activation, and the norms moved behind the sums.
//
// A leaf block derives from Leaf<In, Out> (or SameWidth<Width>) and states what it has: forward, backward, and where
// it needs them its weights, what it saves and what it takes from scratch. This one has the two functions alone.
// Written with `auto`, they run in float on Cpu, and in double and on dual numbers in the gradient check, unchanged.
#include <cstdio>

#include <fauna/check/gradient.hpp>
#include <fauna/fauna.hpp>

using namespace fauna;

/// Squared ReLU (So et al. 2021, "Primer", section 4.2): y = max(x, 0)²      dx = 2 max(x, 0) dy
template <int Width> struct SquaredRelu : SameWidth<Width> {
  static constexpr const char* kind_name = "SquaredRelu";  // what explain prints

  static void forward(auto const& call, auto const& /*weights*/, auto& /*state*/, auto x, auto y, auto& /*saved*/) {
    each_element(call, [&](int r, int c) { y(r, c) = positive(x(r, c)) * positive(x(r, c)); });
  }
  static void backward(auto const& call, auto const& /*weights*/, auto& /*dweights*/, auto x, auto& /*saved*/, auto dy,
                       auto dx, auto& /*dstate*/) {
    each_element(call, [&](int r, int c) { dx(r, c) = 2 * positive(x(r, c)) * dy(r, c); });
  }

 private:
  static auto positive(auto v) { return v > 0 ? v : decltype(v)(0); }
  /// Rows are shared out among the threads; each element is one thread's, so the bits never depend on their number.
  static void each_element(auto const& call, auto f) {
    parallel_for(call.backend.threads, call.rows(), 64, [&](int first, int last) {
      for (int r = first; r < last; ++r)
        for (int c = 0; c < Width; ++c) f(r, c);
    });
  }
};

/// The layer of Vaswani et al. 2017, section 3.1: norm(x + f(x)). GPT-2's is x + f(norm(x)).
template <int Width, int Heads>
struct PostNormLayer
    : Seq<Residual<At<"attn", CausalAttention<Width, Heads>>>, At<"ln_1", LayerNorm<Width>>,
          Residual<At<"mlp", Mlp<Width, 4 * Width, SquaredRelu<4 * Width>>>>, At<"ln_2", LayerNorm<Width>>> {};

constexpr int vocab = 28, width = 32, context = 16;
struct Trunk : Seq<At<"wpe", LearnedPosition<context, width>>, At<"h", Stack<0, 2, PostNormLayer<width, 4>>>> {};
struct Model : Lm<At<"wte", Embedding<vocab, width>>, Trunk, TiedHead<width, vocab>> {};

/// The check that the library's own blocks get: backward in double against one forward pass on dual numbers.
template <class Block> bool correct(const char* name) {
  const Batch batch = Batch::uniform(2, 5);
  const double error = check_gradient<Block>(batch).error();
  std::printf("gradient of %-14s differs by %.1e of the sum of its terms\n", name, error);
  return error < 1e-12;
}

int main() {
  if (!correct<SquaredRelu<6>>("SquaredRelu") || !correct<PostNormLayer<6, 2>>("PostNormLayer")) return 1;

  std::string lines;
  for (int i = 0; i < 40; ++i) lines += "the quick brown fox jumps over a lazy dog\n";
  const auto text = CharText::from_string(lines);
  Trained<Model, Cpu<>> model(seed{1}, default_threads());
  const auto report = train(
      model, text, {.steps = 200, .context = context, .adamw = {.lr = 4e-3}, .eval_interval = 0, .log_interval = 50});
  std::printf("%s", explain<Model>().c_str());
  return report.loss < 1 ? 0 : 1;
}
