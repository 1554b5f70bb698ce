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
#include "support/simt_train.hpp"
#include "support/temporary.hpp"

namespace test_simt_models {

using namespace fauna;
using test::check_training, test::distance, test::Kernels, test::Text, test::values;
using test::simt::order;

namespace {

using SmallGpt = Gpt<GptConfig{.layers = 2, .heads = 2, .width = 24, .context = 20, .vocab = 31, .dropout = 0.1F}>;

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

}  // namespace test_simt_models
