// Whole models on the GPU's kernels: a small GPT trains and a small Llama decodes as they do on the reference policy.
// The block sources are the ones that run everywhere else, and the host never touches a tensor: it would die.
#include <doctest/doctest.h>

#include <cmath>
#include <string>
#include <vector>

#include <fauna/decode/generate.hpp>
#include <fauna/models/gpt.hpp>
#include <fauna/models/llama.hpp>
#include <fauna/ops/activation/kernel.cuh>
#include <fauna/ops/adamw/kernel.cuh>
#include <fauna/ops/add/kernel.cuh>
#include <fauna/ops/attention/kernel.cuh>
#include <fauna/ops/clip/kernel.cuh>
#include <fauna/ops/cross_entropy/kernel.cuh>
#include <fauna/ops/dropout/kernel.cuh>
#include <fauna/ops/embedding/kernel.cuh>
#include <fauna/ops/gated/kernel.cuh>
#include <fauna/ops/layer_norm/kernel.cuh>
#include <fauna/ops/ref.hpp>
#include <fauna/ops/rms_norm/kernel.cuh>
#include <fauna/ops/rope/kernel.cuh>
#include <fauna/train/capture.hpp>
#include <fauna/train/checkpoint.hpp>
#include <fauna/train/trained.hpp>

#include "support/compare.hpp"
#include "support/kernels.hpp"
#include "support/temporary.hpp"

using namespace fauna;
using test::Kernels;
using test::simt::order;

namespace {

using SmallGpt = Gpt<GptConfig{.layers = 2, .heads = 2, .width = 24, .context = 20, .vocab = 31, .dropout = 0.1F}>;

/// Targets with some rows ignored.
struct Text {
  std::vector<int> tokens, targets;
  explicit Text(int rows, int vocab) {
    for (int i = 0; i < rows; ++i) {
      tokens.push_back(i * i % vocab);
      targets.push_back(i % 9 == 4 ? -1 : (i * i + 3) % vocab);
    }
  }
};

std::vector<float> values(auto const& model, auto const& of) {
  using T = std::remove_cvref_t<decltype(model)>;
  std::vector<float> all;
  for (auto const& p : model.parameters()) {
    const OnHost<typename T::backend, typename T::scalar> v(of(p).data(), p.size());
    for (std::size_t i = 0; i < p.size(); ++i) all.push_back(static_cast<float>(v.data()[i]));
  }
  return all;
}

/// Loss of every step, then all weights, of `steps` steps on a batch of 2 sequences, the last cut short.
template <class M, class B> std::vector<float> train(int steps, int vocab, std::vector<float>* gradients = nullptr) {
  Trained<M, B> m(seed{5}, 1);
  const Text text(35, vocab);
  const int offsets[] = {0, 20, 35};
  Batch b;
  b.sequences = 2;
  b.rows = 35;
  b.offsets = offsets;
  b.tokens = text.tokens.data();
  b.targets = text.targets.data();
  m.prepare_training({.sequences = 2, .length = 20, .total = 35});
  std::vector<float> out;
  for (int i = 0; i < steps; ++i) {
    const double loss = m.accumulate(b, 1, Key{11, static_cast<std::uint64_t>(i)});
    if (i == 0 && gradients) *gradients = values(m, [&](Parameter const& p) { return m.gradient(p); });
    out.push_back(static_cast<float>(loss));
    const UpdateReport r = m.update({.lr = 1e-2});
    CHECK(r.without_gradient == -1);
    CHECK(r.not_finite == -1);
    out.push_back(static_cast<float>(r.gradient_norm));
  }
  const auto weights = values(m, [&](Parameter const& p) { return m.value(p); });
  out.insert(out.end(), weights.begin(), weights.end());
  return out;
}

double distance(std::vector<float> const& a, std::vector<float> const& b) {
  REQUIRE(a.size() == b.size());
  double worst = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    test::see(worst, std::fabs(static_cast<double>(a[i]) - static_cast<double>(b[i])));
  }
  return worst;
}

/// Training on the kernels gives the reference's numbers, and the same bits in every order of threads.
template <class M> void check_training(int vocab) {
  std::vector<float> gradient, first_gradient, exact_gradient;
  const auto exact = train<M, Ref<double>>(3, vocab, &exact_gradient);
  const long before = Kernels::launches;
  const auto first = train<M, Kernels>(3, vocab, &first_gradient);
  CHECK(Kernels::launches > before + 100);
  // Gradients of a loss near ln(vocab): sums of a few hundred f32 terms below 1 in another order. Adam turns the
  // rounding of a gradient near zero into up to the learning rate: so losses are compared closely, weights loosely.
  CHECK(distance(first_gradient, exact_gradient) < 2e-6);
  CHECK(distance({first.begin(), first.begin() + 6}, {exact.begin(), exact.begin() + 6}) < 2e-4);
  CHECK(first[4] < first[0]);
  CHECK(distance(first, exact) < 3 * 1e-2);
  for (const auto o : {order::descending, order::random}) {
    Kernels::order = o;
    CHECK(train<M, Kernels>(3, vocab) == first);
  }
  Kernels::order = order::ascending;
}

/// Two more tokens predicted, from blocks of their own.
template <int Width> struct Next : Seq<At<"norm", RmsNorm<2 * Width>>, At<"fc", Linear<2 * Width, Width>>> {};
struct Foreseeing : Lm<At<"wte", Embedding<31, 24>>, Residual<At<"mlp", Mlp<24, 40>>>, TiedHead<24, 31>,
                       Mtp<At<"mtp.0", Next<24>>, Rate{0.3F}>, Mtp<At<"mtp.1", Next<24>>, Rate{0.1F}>> {};

constexpr LlamaConfig small{
    .layers = 2, .heads = 4, .kv_heads = 2, .head_size = 8, .width = 32, .hidden = 48, .context = 64, .vocab = 37};

}  // namespace

TEST_CASE("simt: a GPT trains as on the reference, whatever the order of threads") { check_training<SmallGpt>(31); }

TEST_CASE("simt: a Llama trains as on the reference, whatever the order of threads") {
  check_training<Llama<small>>(37);
}

TEST_CASE("simt: a model that predicts several tokens trains as on the reference") { check_training<Foreseeing>(31); }

TEST_CASE("simt: a capture copies activations and gradients from the kernels' memory") {
  const Text text(20, 31);
  const auto batch = Batch::uniform(1, 20, text.tokens.data(), text.targets.data());
  const auto run = [&]<class B>(B, auto& seen) {
    Trained<SmallGpt, B> m(seed{5}, 1);
    m.prepare_training({.sequences = 1, .length = 20});
    m.accumulate(batch, 1, Key{11, 0}, seen.tap());
  };
  Capture<double> want("transformer.h.1.*", "transformer.ln_f");
  Capture<float, Kernels> got("transformer.h.1.*", "transformer.ln_f");
  run(Ref<double>{}, want);
  run(Kernels{}, got);
  REQUIRE(got.all().size() == want.all().size());
  CHECK(want.all().size() > 10);
  for (auto const& w : want.all()) {
    CAPTURE(w.name);
    auto const& g = w.gradient ? got.gradient(w.name) : got.activation(w.name);
    REQUIRE(g.rows == w.rows);
    REQUIRE(g.cols == w.cols);
    CHECK(test::distance(g.view(), w.view()) < 2e-6);  // as the gradients above; activations of up to about 3
  }
}

TEST_CASE("simt: a Llama decodes as on the reference, with a cache") {
  using M = Llama<small>;
  const GenerateOptions options{
      .tokens = 20, .temperature = 0, .chunk = 5, .context = 24, .at_end = context_end::slide};
  const std::vector<std::vector<int>> prompts{{1, 2, 3, 4, 5, 6, 7, 8, 9}, {3}, {30, 20}};
  Trained<M, Ref<float>> reference(seed{9}, 1);
  Trained<M, Kernels> model(seed{9}, 1);
  const auto ignore = [](int, int) {};
  const auto want = generate_batch(reference, prompts, options, ignore);
  for (const auto o : {order::ascending, order::descending, order::random}) {
    Kernels::order = o;
    CHECK(generate_batch(model, prompts, options, ignore) == want);
  }
  Kernels::order = order::ascending;

  // The cache is a value: a copy, and one that was written and read back, go on with the same bits.
  Cache<M, Kernels> cache(1, 24);
  model.prepare_inference({.sequences = 1, .length = 9, .context = 24});
  std::vector<float> logits(37), again(37);
  const Matrix<float> y(logits.data(), 1, 37), z(again.data(), 1, 37);
  model.logits(cache, Batch::uniform(1, 9, prompts[0].data()), logit_rows::last, y);
  Cache<M, Kernels> copy = cache, read = Cache<M, Kernels>::deserialise(cache.serialise());
  const int next = 11;
  model.logits(cache, Batch::uniform(1, 1, &next), logit_rows::last, y);
  for (auto* c : {&copy, &read}) {
    model.logits(*c, Batch::uniform(1, 1, &next), logit_rows::last, z);
    CHECK(again == logits);
  }
}

TEST_CASE("simt: a run's checkpoint goes from the kernels' memory to the host's and back") {
  const TemporaryFolder folder;
  const std::string path = folder / "model.safetensors";
  Trained<SmallGpt, Kernels> model(seed{2}, 1);
  model.prepare_training({.sequences = 1, .length = 8});
  const Text text(8, 31);
  const Batch b = Batch::uniform(1, 8, text.tokens.data(), text.targets.data());
  model.accumulate(b);
  model.update({});
  save_checkpoint(path, model, {});
  Trained<SmallGpt, Ref<float>> host(seed{3}, 1);
  Trained<SmallGpt, Kernels> device(seed{4}, 1);
  load_checkpoint(path, host, load::weights);
  load_checkpoint(path, device, load::weights);
  std::vector<float> a(8), c(8), d(8);
  for (auto* m : {&model, &device}) {
    m->prepare_inference({.sequences = 1, .length = 8});
    m->losses(b, m == &model ? a.data() : d.data());
  }
  host.prepare_inference({.sequences = 1, .length = 8});
  host.losses(b, c.data());
  CHECK(a == d);
  CHECK(distance(a, c) < 1e-5);  // losses of about 3.4

  // Moments as well: the next update makes the same weights.
  Trained<SmallGpt, Kernels> resumed(seed{4}, 1);
  resumed.prepare_training({.sequences = 1, .length = 8});
  load_checkpoint(path, resumed);
  for (auto* m : {&model, &resumed}) {
    m->accumulate(b);
    m->update({});
  }
  const auto weights = [](auto const& m) { return values(m, [&](Parameter const& p) { return m.value(p); }); };
  CHECK(weights(resumed) == weights(model));
}
