// A learnt prefix beside attention: gradients, a model that starts as its base, what trains, and decoding.
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include <fauna/models/adapter.hpp>
#include <fauna/models/llama.hpp>
#include <fauna/ops/ref.hpp>
#include <fauna/train/adapters.hpp>

#include "../support/decode_check.hpp"
#include "../support/gradients.hpp"

namespace test_prefixed_attention {

using namespace fauna;
using test::check, test::W;

TEST_SUITE("prefixed_attention") {
  // One projection without anything behind it; three with norms, positions and a key head of several.
  TEST_CASE_TEMPLATE("gradients", Block, adapter<CausalAttention<W, 2>, 3>,
                     Residual<adapter<RotaryAttention<W, 4, 2, 2, RopeShape{}, false, QkNorm{qk_norm::full}>, 2>>) {
    check<Block>();
  }

  using Plain = Llama<LlamaConfig{
      .layers = 2, .heads = 2, .kv_heads = 1, .head_size = 4, .width = 8, .hidden = 12, .context = 8, .vocab = 11}>;
  using Adapted = adapter<Plain>;
  static_assert(parameters<Adapted> - parameters<Plain> == 2 * (10 * 8 + 2));
  static_assert(std::is_same_v<Adapted, adapter<Plain, 10>> && !std::is_same_v<Adapted, adapter<Plain, 9>>);

  TEST_CASE("a model starts as its base, and trains prefixes and gates alone") {
    Trained<Plain, Cpu<>> plain(seed{4});
    Trained<Adapted, Cpu<>> model(seed{4});
    freeze_base(model);
    std::vector<int> tokens, targets;
    for (int i = 0; i < 16; ++i) {
      tokens.push_back(i * 5 % 11);
      targets.push_back(i * 7 % 11);
    }
    const Batch batch = Batch::uniform(2, 8, tokens.data(), targets.data());
    const auto logits = [&](auto& of) {
      std::vector<float> y(16 * 11);
      of.prepare_inference({.sequences = 2, .length = 8});
      of.logits(batch, logit_rows::all, Matrix<float>(y.data(), 16, 11));
      return y;
    };
    const auto frozen = [&] {
      std::vector<float> all;
      for (auto const& p : model.parameters())
        if (!p.trainable) all.insert(all.end(), model.value(p).data(), model.value(p).data() + p.size());
      return all;
    };
    for (auto const& p : plain.parameters())  // of the size that a trained model's have
      if (p.rank == 2)
        for (std::size_t i = 0; i < p.size(); ++i) {
          plain.value(p).data()[i] *= 20;
          model.value(model.parameter(p.name)).data()[i] *= 20;
        }
    CHECK(logits(model) == logits(plain));
    int trained = 0;
    for (auto const& p : model.parameters()) {
      CAPTURE(p.name);
      CHECK(p.trainable ==
            (p.name.ends_with(".self_attn.adapter_wte.weight") || p.name.ends_with(".self_attn.gating_factor")));
      trained += p.trainable;
    }
    CHECK(trained == 2 * 2);
    const auto before = frozen();
    model.prepare_training({.sequences = 2, .length = 8});
    const double first = model.accumulate(batch);
    double loss = first;
    for (int i = 0; i < 60; ++i) {
      model.update({.lr = 0.05, .decay = 0});
      loss = model.accumulate(batch);
    }
    CHECK(loss < 0.8 * first);
    CHECK(frozen() == before);
    CHECK(logits(model) != logits(plain));
  }

  TEST_CASE("read row by row as at once") {
    const auto model = test::lively<Adapted, Cpu<>>(2);
    Loaded<Adapted, Cpu<>> loaded(model.weights());
    const auto ids = test::some_tokens<Plain>(8, 5);
    const auto want = test::at_once(loaded, ids);
    for (int chunk : {1, 3}) {
      Cache<Adapted, Cpu<>> cache(1, 8);
      CHECK(test::in_chunks(loaded, cache, ids, chunk) == want);
    }
  }
}

}  // namespace test_prefixed_attention
