// GPT-2 124M on 4 x 64 tokens with every layer under Recompute, beside the same model without: what recomputing costs
// and what it saves.
//   recompute_time     a step's time over the plain model's, in turns
//   recompute_saved    memory that training takes less (resident, by the page) over what the two plans differ by
#include <benchmark/benchmark.h>

#include <memory>
#include <utility>
#include <vector>

#include <fauna/compose/recompute.hpp>
#include <fauna/fauna.hpp>

#include "support/peak.hpp"

using namespace fauna;

namespace {

constexpr GptConfig c{};
using Layer = GptLayer<c.width, c.heads, c.bias, Rate{c.dropout}, c.act>;
struct Trunk : Seq<LearnedPosition<c.context, c.width>, At<"h", Stack<0, c.layers, Recompute<Layer>>>,
                   At<"ln_f", LayerNorm<c.width, c.bias>>> {};
using Plain = Gpt<c>;
using Checkpointed =
    Lm<At<"transformer", At<"wte", Embedding<c.vocab, c.width>>>, At<"transformer", Trunk>, TiedHead<c.width, c.vocab>>;
static_assert(parameters<Checkpointed> == parameters<Plain>);

/// Training steps on tokens that do not matter.
template <class M> class Steps {
 public:
  Steps() : model_(seed{1}, default_threads()), tokens_(256, 1), targets_(256, 2) {
    model_.prepare_training({.sequences = 4, .length = 64});
  }
  double segment(int n) {
    const double start = bench::now();
    for (int i = 0; i < n; ++i) {
      model_.accumulate(Batch::uniform(4, 64, tokens_.data(), targets_.data()));
      model_.update({});
    }
    return (bench::now() - start) / n;
  }
  double planned() const { return static_cast<double>(model_.planned().total()); }

 private:
  Trained<M, Cpu<>> model_;
  std::vector<int> tokens_, targets_;
};

void recompute_time(benchmark::State& state) {
  const auto plain = std::make_unique<Steps<Plain>>();
  const auto again = std::make_unique<Steps<Checkpointed>>();
  plain->segment(2);
  again->segment(2);
  std::vector<double> ratios, seconds;
  for (auto _ : state)
    for (int i = 0; i < 9; ++i) {
      const double before = plain->segment(1);
      seconds.push_back(again->segment(1));
      ratios.push_back(seconds.back() / (0.5 * (before + plain->segment(1))));
    }
  state.counters["cost"] = bench::median(ratios);
  state.counters["ms"] = 1e3 * bench::median(seconds);
}

/// What a model takes while it is there, after two steps: {resident, planned}.
template <class M> std::pair<double, double> taken() {
  const double before = static_cast<double>(resident_bytes());
  Steps<M> model;
  model.segment(2);
  return {static_cast<double>(resident_bytes()) - before, model.planned()};
}
void recompute_saved(benchmark::State& state) {
  taken<Plain>();  // what the process keeps from the first run on
  for (auto _ : state) {
    const auto plain = taken<Plain>(), again = taken<Checkpointed>();
    state.counters["resident_over_plan"] = (plain.first - again.first) / (plain.second - again.second);
    state.counters["saved_bytes"] = plain.first - again.first;
    state.counters["plain_bytes"] = plain.first;
  }
}

}  // namespace

BENCHMARK(recompute_time)->Iterations(1)->Unit(benchmark::kMillisecond);
BENCHMARK(recompute_saved)->Iterations(1)->Unit(benchmark::kMillisecond);
