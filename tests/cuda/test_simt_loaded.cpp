// Models for inference on the GPU's kernels: weights from a file, or from a model that was trained there, in f32 in the
// kernels' own memory. The host never touches a tensor: it would die.
#include "support/simt_loaded.hpp"

namespace test_simt_loaded {

using namespace test;
using test::simt::order;

TEST_CASE_TEMPLATE("simt: a file's weights in f32 infer as in training", M, SmallLlama, SmallGpt) {
  const Files<M> files;
  const auto exact = trained_outputs<M, Ref<double>>(files.f32), first = trained_outputs<M, Kernels>(files.f32);
  // Logits and losses of f32 numbers through two layers, as for the losses of training.
  CHECK(distance(first, exact) < 1e-5 * largest_logit(exact));
  for (const auto o : {order::ascending, order::descending, order::random}) {
    Kernels::order = o;
    CHECK(loaded_outputs<M, Kernels>(files.f32) == first);
  }
  Kernels::order = order::ascending;
  CHECK(loaded_outputs<M, Kernels>(files.half) == trained_outputs<M, Kernels>(files.half));

  // Weights that were trained there, and a second model beside the first.
  Trained<M, Kernels> trained(seed{2}, 1);
  load_weights<M>(Kernels{}, trained.weights(), SafeTensors(files.f32));
  Loaded<M, Kernels> model(trained.weights(), 1);
  CHECK(outputs(model) == first);
}

TEST_CASE_TEMPLATE("simt: a file's model decodes as on the reference", M, SmallLlama, SmallGpt) {
  const Files<M> files;
  const GenerateOptions options{
      .tokens = 12, .temperature = 0, .chunk = 5, .context = 16, .at_end = context_end::slide};
  const std::vector<std::vector<int>> prompts{{1, 2, 3, 4, 5, 6, 7, 8, 9}, {3}, {30, 20}};
  const auto ignore = [](int, int) {};
  Trained<M, Ref<float>> reference(seed{1}, 1);
  load_weights<M>(Ref<float>{}, reference.weights(), SafeTensors(files.f32));
  Loaded<M, Kernels> model(SafeTensors(files.f32), 1);
  CHECK(generate_batch(model, prompts, options, ignore) == generate_batch(reference, prompts, options, ignore));
}

TEST_CASE_TEMPLATE("simt: what stays of drafts is drawn where the logits are", M, SmallLlama, SmallGpt) {
  const Files<M> files;
  Loaded<M, Kernels> model(SafeTensors(files.f32), 1);
  const std::vector<int> prompt{1, 2, 3, 4, 1, 2, 3, 4, 1, 2};
  for (const float temperature : {0.0F, 0.7F}) {
    GenerateOptions text{
        .tokens = 14, .temperature = temperature, .top_k = 0, .chunk = 5, .context = 16, .at_end = context_end::slide};
    const auto want = generate_tokens(model, prompt, text, [](int) {});
    for (const int most : {0, 1, 3}) {
      NgramDrafter drafter;
      CHECK(speculate(model, drafter, prompt, {.text = text, .draft = most}).ids == want);
    }
    // The rows themselves, and with a filter, which draws on the host.
    Reader<Loaded<M, Kernels>> there(model, 16), here(model, 16);
    static_assert(DrawsThere<Reader<Loaded<M, Kernels>>> && !DrawsThere<Reader<Loaded<M, Ref<float>>>>);
    const int n = static_cast<int>(prompt.size());
    const int* ids = there.draws(prompt.data(), n, 4, n - 3, temperature, text_key(9, 0), 7);
    const float* logits = here.logits(prompt.data(), n, 4, n - 3);
    Sampler sampler(M::vocab, {.temperature = temperature});
    for (int i = 0; i < 4; ++i)
      CHECK(ids[i] == sampler(logits + i * M::vocab, text_key(9, 0), 7 + static_cast<std::uint64_t>(i)));
    text.top_k = 5;
    NgramDrafter drafter;
    CHECK(speculate(model, drafter, prompt, {.text = text, .draft = 3}).ids ==
          generate_tokens(model, prompt, text, [](int) {}));
  }
}

TEST_CASE("simt: a file that does not fit is refused in the same words, and a part of one leaves the rest") {
  using Deeper = Gpt<GptConfig{.layers = 2, .heads = 2, .width = 24, .context = 16, .vocab = 31}>;
  const Files<SmallGpt> files;
  const SafeTensors file(files.f32);
  const auto words = [&](auto const& b, auto& model, LoadOptions const& o) -> std::string {
    using T = std::remove_cvref_t<decltype(model)>;
    try {
      load_weights<typename T::model>(b, model.weights(), file, o);
    } catch (error const& e) {
      return e.what();
    }
    return "";
  };
  Trained<SmallLlama, Ref<float>> other(seed{3}, 1);
  Trained<SmallLlama, Kernels> other_there(seed{3}, 1);
  for (const bool partial : {false, true}) {
    CHECK(words(Ref<float>{}, other, {.partial = partial}).find("missing") != std::string::npos);
    CHECK(words(Kernels{}, other_there, {.partial = partial}) == words(Ref<float>{}, other, {.partial = partial}));
  }
  Trained<Deeper, Ref<float>> deeper(seed{3}, 1);
  Trained<Deeper, Kernels> deeper_there(seed{3}, 1);
  CHECK(words(Kernels{}, deeper_there, {}) == words(Ref<float>{}, deeper, {}));
  CHECK(words(Kernels{}, deeper_there, {.partial = true}) == words(Ref<float>{}, deeper, {.partial = true}));
  for (auto const& p : deeper.parameters()) {
    const OnHost<Kernels, float> there(deeper_there.value(p).data(), p.size());
    CHECK(std::memcmp(there.data(), deeper.value(p).data(), p.size() * sizeof(float)) == 0);
  }
  const Loaded<Deeper, Kernels> part(file, 1, {.partial = true});
  CHECK(part.report().missing.size() == 12);
  CHECK_THROWS_WITH_AS((Loaded<Deeper, Kernels>(file, 1)), doctest::Contains("missing"), error);
}

}  // namespace test_simt_loaded
