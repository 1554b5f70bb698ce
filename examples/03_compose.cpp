// 03: compose a model, and see what it costs before it runs.
//
// Models are types made of types. Seq puts blocks one after another, Residual adds a block's input to its output, Stack
// repeats a pattern of layers, At gives a part its name in checkpoints and errors. What a model costs can be read off
// its type: parameters, floating-point operations, and, for a shape, the bytes of a training step.
#include <cstdio>

#include <fauna/fauna.hpp>

using namespace fauna;

// Two kinds of layer, in a pattern of our own: two that attend, then one that thinks.
template <int Width, int Heads>
struct Attends : Residual<Seq<At<"norm", LayerNorm<Width>>, At<"attn", CausalAttention<Width, Heads>>>> {};
template <int Width> struct Thinks : Residual<Seq<At<"norm", LayerNorm<Width>>, At<"mlp", Mlp<Width, 4 * Width>>>> {};

constexpr int vocab = 65, width = 64, context = 32;
struct Trunk : Seq<At<"position", LearnedPosition<context, width>>,
                   At<"layers", Stack<0, 2, Attends<width, 4>, Attends<width, 4>, Thinks<width>>>,
                   At<"norm", LayerNorm<width>>> {};
struct Model : Lm<At<"tokens", Embedding<vocab, width>>, Trunk, TiedHead<width, vocab>> {};

// Two rounds of three layers, by hand: a norm has 2 W, attention 4 W² + 4 W, the MLP 8 W² + 5 W parameters.
constexpr std::size_t w = width;
static_assert(parameters<Model> == vocab * w + context * w + 2 * (2 * (4 * w * w + 6 * w) + 8 * w * w + 7 * w) + 2 * w);

int main() {
  constexpr Shape shape{.sequences = 8, .length = context, .threads = 2};
  std::printf("%s\n", explain<Model, Cpu<>>(shape).c_str());

  const MemoryPlan memory = plan<Model, Cpu<>>(shape);
  std::printf("a training step of %d x %d tokens:\n%s\n", shape.sequences, shape.length, to_text(memory).c_str());
  std::printf("%.2f MFLOP a token forwards, three times that in training\n", flops_per_token<Model>(context) * 1e-6);

  // Nothing is allocated to answer such a question, so it can be asked about a model that fits nowhere near.
  const MemoryPlan large = plan<Gpt2Xl, Cpu<>>({.sequences = 8, .length = 1024, .threads = 2});
  std::printf("GPT-2 XL, 8 x 1024 tokens: %s; fits into 64 GB: %s\n", bytes_text(large.total()).c_str(),
              large.fits(64'000'000'000) ? "yes" : "no");
  return large.fits(64'000'000'000) ? 1 : 0;
}
