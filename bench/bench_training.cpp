// Whole training steps, taking turns with PyTorch where it is there (support/peer.hpp).
//   nanogpt_f32, nanogpt_bf16       seconds an iteration of nanoGPT's CPU configuration on $FAUNA_TEXT, evaluations of
//   2 x 20
//                                   batches every 250 iterations included: alternating segments of 200, then one full
//                                   run each
//   gpt2_step_f32, gpt2_step_bf16   seconds a step of GPT-2 124M on 4 x 64 tokens
//   val_loss_f32, val_loss_bf16     loss of the whole validation split after 2,001 updates, mean over three seeds
#include <benchmark/benchmark.h>

#include <memory>
#include <string>
#include <vector>

#include <fauna/fauna.hpp>

#include "support/peak.hpp"
#include "support/peer.hpp"

using namespace fauna;

namespace {

constexpr bool is_bf16(bf16_products) { return true; }
constexpr bool is_bf16(f32_products) { return false; }

/// nanoGPT's run, an iteration at a time.
template <class P> class Shakespeare {
 public:
  explicit Shakespeare(CharText const& text, std::uint64_t s = 1337)
      : model_(seed{s}, default_threads()), trainer_(model_, Split{text.train(), text.val()}, options()) {}
  void iterate() {
    if (trainer_.iteration() % 250 == 0) trainer_.evaluate();
    trainer_.step();
  }
  double segment(int n) {
    const double start = bench::now();
    for (int i = 0; i < n; ++i) iterate();
    return (bench::now() - start) / n;
  }
  Trainer<Trained<NanoGptCpu, Cpu<P>>>& trainer() { return trainer_; }

 private:
  static TrainOptions options() {
    TrainOptions o;
    o.print = nullptr;
    return o;
  }
  Trained<NanoGptCpu, Cpu<P>> model_;
  Trainer<Trained<NanoGptCpu, Cpu<P>>> trainer_;
};

const char* text_path(benchmark::State& state) {
  const char* path = std::getenv("FAUNA_TEXT");
  if (path == nullptr) state.SkipWithError("set FAUNA_TEXT to Tiny Shakespeare's input.txt");
  return path;
}

/// The quickest of several peers, judged on a short segment after as long a warm-up.
std::unique_ptr<bench::Peer> quickest(std::string const& script, std::vector<std::string> const& variants, int n) {
  std::unique_ptr<bench::Peer> best;
  double least = 0;
  for (std::string const& v : variants) {
    auto p = std::make_unique<bench::Peer>(script, v);
    p->segment(n);
    const double t = p->segment(n);
    if (p->present() && (!best || t < least)) {
      best = std::move(p);
      least = t;
    }
  }
  return best;
}

/// Reports medians of ours and theirs, and the median of the ratios segment by segment.
template <class Ours> void take_turns(benchmark::State& state, int rounds, int length, Ours&& ours, bench::Peer* peer) {
  std::vector<double> mine, theirs, ratios;
  for (auto _ : state) {
    for (int i = 0; i < rounds; ++i) {
      mine.push_back(ours(length));
      if (peer == nullptr) continue;
      theirs.push_back(peer->segment(length));
      ratios.push_back(theirs.back() / mine.back());
    }
    state.SetIterationTime(bench::median(mine));
  }
  state.counters["seconds"] = bench::median(mine);
  state.counters["threads"] = default_threads();
  if (peer == nullptr) {
    state.SetLabel("the peer is absent");
    return;
  }
  state.counters["peer_seconds"] = bench::median(theirs);
  state.counters["ratio"] = bench::median(ratios);
  state.SetLabel("PyTorch eager " + peer->arguments().substr(0, peer->arguments().find(" --data")));
}

template <class P> void nanogpt(benchmark::State& state) {
  const char* path = text_path(state);
  if (path == nullptr) return;
  const CharText text = CharText::from_file(path);
  std::vector<std::string> variants;
  for (const char* threads : {"1", "2"})
    for (const char* dtype : {"f32", "bf16"})
      if (is_bf16(P{}) || dtype == std::string("f32"))
        variants.push_back("--threads " + std::string(threads) + " --dtype " + dtype + " --data \"" + path + '"');
  auto peer = quickest("nanogpt_torch.py", variants, 40);
  Shakespeare<P> ours(text);
  ours.segment(100);
  take_turns(
      state, 5, 200, [&](int n) { return ours.segment(n); }, peer.get());
  state.counters["iteration_flops"] = 768 * training_flops_per_token<NanoGptCpu>(64);
  const std::string arguments = peer ? peer->arguments() : "";
  peer.reset();
  Shakespeare<P> whole(text);
  state.counters["full_seconds"] = whole.segment(2001) * 2001;
  if (!arguments.empty()) {
    bench::Peer full("nanogpt_torch.py", arguments);
    state.counters["peer_full_seconds"] = full.segment(2001) * 2001;
  }
}

/// GPT-2 124M with the exact GELU, as the peer has it.
template <class P> void gpt2_step(benchmark::State& state) {
  std::vector<std::string> variants{"--threads 2 --dtype f32"};
  if (is_bf16(P{})) variants.push_back("--threads 2 --dtype bf16");
  auto peer = quickest("gpt2_step_torch.py", variants, 1);
  Trained<Gpt<GptConfig{}>, Cpu<P>> model(seed{1}, default_threads());
  std::vector<int> tokens(256), targets(256);
  for (std::size_t i = 0; i < 256; ++i) {
    tokens[i] = static_cast<int>(Key{1, 1}.word(i) % 50257);
    targets[i] = static_cast<int>(Key{1, 2}.word(i) % 50257);
  }
  const Batch b = Batch::uniform(4, 64, tokens.data(), targets.data());
  model.prepare_training({.sequences = 4, .length = 64});
  const auto segment = [&](int n) {
    const double start = bench::now();
    for (int i = 0; i < n; ++i) {
      model.accumulate(b);
      model.update({.lr = 3e-4, .beta2 = 0.95});
    }
    return (bench::now() - start) / n;
  };
  segment(2);
  take_turns(state, 5, 3, segment, peer.get());
  state.counters["iteration_flops"] = 256 * training_flops_per_token<Gpt<GptConfig{}>>(64);
}

template <class P> void val_loss(benchmark::State& state) {
  const char* path = text_path(state);
  if (path == nullptr) return;
  const CharText text = CharText::from_file(path);
  double sum = 0;
  for (auto _ : state) {
    const double start = bench::now();
    for (std::uint64_t s : {1337U, 1U, 2U}) {
      Shakespeare<P> run(text, s);
      while (!run.trainer().finished()) run.trainer().step();
      const double loss = run.trainer().whole_validation();
      state.counters["seed_" + std::to_string(s)] = loss;
      sum += loss;
    }
    state.SetIterationTime(bench::now() - start);
  }
  state.counters["nats"] = sum / 3;
}

}  // namespace

#define FAUNA_FIGURE(name, run) \
  BENCHMARK(run)->Name(name)->UseManualTime()->Iterations(1)->Unit(benchmark::kMillisecond)
FAUNA_FIGURE("nanogpt_f32", nanogpt<f32_products>);
FAUNA_FIGURE("nanogpt_bf16", nanogpt<bf16_products>);
FAUNA_FIGURE("gpt2_step_f32", gpt2_step<f32_products>);
FAUNA_FIGURE("gpt2_step_bf16", gpt2_step<bf16_products>);
FAUNA_FIGURE("val_loss_f32", val_loss<f32_products>);
FAUNA_FIGURE("val_loss_bf16", val_loss<bf16_products>);
