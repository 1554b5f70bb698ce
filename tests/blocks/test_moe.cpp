// Mixtures of experts: backward against dual numbers, side losses included.
#include <doctest/doctest.h>

#include <fauna/blocks/clamped_swiglu.hpp>
#include <fauna/blocks/mlp.hpp>
#include <fauna/blocks/moe.hpp>
#include <fauna/blocks/row_gate.hpp>
#include <fauna/compose/concat.hpp>
#include <fauna/compose/parallel.hpp>
#include <fauna/compose/residual.hpp>
#include <fauna/decode/weights.hpp>
#include <fauna/models/mixtral.hpp>
#include <fauna/models/olmoe.hpp>
#include <fauna/ops/ref.hpp>
#include <fauna/train/trained.hpp>

#include "../support/gradients.hpp"
#include "../support/temporary.hpp"

namespace test_moe {

namespace {

using namespace fauna;
using test::check, test::W;
using Expert = GatedMlp<W, 5>;
using Moe1 = Moe<Expert, 4, 2, Routing{.balance = 0.5F, .z = 0.25F}>;
using Moe2 = Moe<Linear<W, W>, 3, 1, Routing{.renormalised = false, .balance = 2}>;
using Moe3 = Residual<Moe<Expert, 2, 2>>;
constexpr Routing sigmoids{.balance = 0.5F,
                           .z = 0.25F,
                           .scores = router_scores::sigmoid,
                           .scale = 2.5F,
                           .groups = 3,
                           .kept_groups = 2,
                           .corrected = true,
                           .bias_rate = 0.5F};
using Moe4 = Moe<Expert, 6, 3, sigmoids>;
using Moe5 = Moe<Expert, 4, 2, Routing{.balance = 0.5F, .z = 0.25F, .biased = true}>;
using Moe6 =
    Residual<Moe<Expert, 4, 1, Routing{.renormalised = false, .scores = router_scores::sigmoid, .of_input = true}>>;
using Clamped5 = Seq<Concat<Linear<W, 5>, Linear<W, 5>>, ClampedSwiGlu<5, ClampedGate{.limit = 0.25F}>, Linear<5, W>>;
using Moe7 = Moe<Clamped5, 4, 2, Routing{.balance = 0, .biased = true}>;
using Shared = Parallel<Moe<Expert, 4, 2>, Seq<Concat<Expert, Linear<W, 1, false>>, RowGate<W>>>;

}  // namespace

// A loss over two layers of experts, for what a model sees of them.
constexpr MixtralConfig small{.layers = 2,
                              .heads = 2,
                              .kv_heads = 1,
                              .head_size = 4,
                              .width = 8,
                              .hidden = 6,
                              .experts = 3,
                              .context = 16,
                              .vocab = 11,
                              .balance = 0.5F};

// Two families, and what the hub calls an expert's matrices.
struct MixtralFiles {
  using model = Mixtral<small>;
  static constexpr const char *moe = "block_sparse_moe", *gate = "w1", *up = "w3", *down = "w2";
};
struct OlmoeFiles {
  using model = Olmoe<OlmoeConfig{.layers = 2,
                                  .heads = 2,
                                  .kv_heads = 1,
                                  .width = 8,
                                  .hidden = 6,
                                  .experts = 3,
                                  .chosen = 2,
                                  .context = 16,
                                  .vocab = 11}>;
  static constexpr const char *moe = "mlp", *gate = "gate_proj", *up = "up_proj", *down = "down_proj";
};

TEST_SUITE("moe") {
  TEST_CASE_TEMPLATE("gradients", Block, Moe1, Moe2, Moe3, Moe4, Moe5, Moe6, Moe7, Shared) { check<Block>(); }

  TEST_CASE("the balance loss is 1 where all is even, and more where one expert has all") {
    using M = Moe<Linear<4, 4>, 4, 1, Routing{.renormalised = false, .balance = 1}>;
    for (const bool even : {true, false}) {
      const Batch b = test::plain(1, 4);
      test::Pass<M, double> p(b, std::vector<double>(test::weight_count<M>(), 0.0), {});
      std::vector<double> x(16), y(16);
      for (int r = 0; r < 4; ++r) {
        x[static_cast<std::size_t>(r * 4 + (even ? r : 0))] = 1;
        p.w.router.gate(r, r) = 50;  // row r of the identity goes to expert r
      }
      M::State<double> none;
      M::forward(p.call, p.w, none, View<const double, dyn, 4>(x.data(), 4), View<double, dyn, 4>(y.data(), 4),
                 p.saved);
      CHECK(p.side_sum() == doctest::Approx(even ? 1 : 4).epsilon(1e-12));
    }
  }

  TEST_CASE(
      "a corrected router's bias moves towards an even load at each update, by its rate and not by the optimizer") {
    struct Model : Lm<Embedding<11, 8>, At<"moe", Moe<Linear<8, 8>, 6, 3, sigmoids>>, LmHead<8, 11>> {};
    Trained<Model, Ref<float>> m(seed{1});
    m.prepare_training({.sequences = 1, .length = 4});
    const int tokens[] = {1, 2, 3, 4}, targets[] = {2, 3, 4, 5};
    const Batch batch = Batch::uniform(1, 4, tokens, targets);
    m.accumulate(batch);
    m.accumulate(batch, 0.25);  // counts are no gradients: the weight of a batch does not weigh them
    auto const& bias = m.parameter("moe.gate.e_score_correction_bias");
    REQUIRE(bias.is == role::buffer);
    std::vector<float> counts(m.gradient(bias).data(), m.gradient(bias).data() + 6), before(6);
    float sum = 0;
    for (const float n : counts) sum += n;
    CHECK(sum == 2 * 4 * 3);
    m.update(AdamWOptions{});
    for (int e = 0; e < 6; ++e) {
      const float n = counts[static_cast<std::size_t>(e)];
      CHECK(m.value(bias)(0, e) == 0.5F * static_cast<float>((n < 4) - (n > 4)));
      CHECK(m.gradient(bias)(0, e) == 0);
    }
  }

  TEST_CASE_TEMPLATE("files with a layer's experts in one tensor give the same model", F, MixtralFiles, OlmoeFiles) {
    using M = typename F::model;
    const TemporaryFolder folder;
    Trained<M, Ref<float>> from(seed{1}), to(seed{2});
    const std::string apart = folder / "apart.safetensors", fused = folder / "fused.safetensors";
    save_weights<M>(apart, from.weights());
    const SafeTensors file(apart);
    std::vector<SafeTensor> tensors;
    std::vector<std::vector<float>> room;
    room.reserve(8);
    const auto numbers = [&](std::string const& name) {
      const SafeTensor* t = file.find(name);
      REQUIRE(t != nullptr);
      std::vector<float> v(t->elements());
      read_floats(*t, 0, v.size(), v.data());
      return v;
    };
    for (SafeTensor t : file.tensors()) {
      if (matches("*.experts.*", t.name)) continue;
      const std::string moe = F::moe;
      if (const auto at = t.name.find(moe + ".gate"); at != std::string::npos) t.name.replace(at, moe.size(), "mlp");
      tensors.push_back(t);
    }
    for (int layer = 0; layer < 2; ++layer)
      for (const bool down : {true, false}) {
        const std::string prefix = "model.layers." + std::to_string(layer);
        auto& all = room.emplace_back();
        for (int e = 0; e < 3; ++e)
          for (const char* part : {F::gate, F::up, F::down})
            if ((part == std::string(F::down)) == down) {
              const auto v = numbers(prefix + '.' + F::moe + ".experts." + std::to_string(e) + '.' + part + ".weight");
              all.insert(all.end(), v.begin(), v.end());
            }
        SafeTensor t;
        t.name = prefix + (down ? ".mlp.experts.down_proj" : ".mlp.experts.gate_up_proj");
        t.dtype = "F32";
        t.shape = down ? std::vector<std::size_t>{3, 8, 6} : std::vector<std::size_t>{3, 12, 8};
        t.data = reinterpret_cast<const std::byte*>(all.data());
        t.bytes = all.size() * sizeof(float);
        tensors.push_back(t);
      }
    write_safetensors(fused, tensors);
    load_weights<M>(Ref<float>{}, to.weights(), SafeTensors(fused));
    for (std::size_t i = 0; i < from.parameters().size(); ++i) {
      const auto a = from.value(from.parameters()[i]), b = to.value(to.parameters()[i]);
      CAPTURE(from.parameters()[i].name);
      CHECK(std::equal(a.data(), a.data() + a.size(), b.data()));
    }
  }

  TEST_CASE("each layer has its two side losses in training") {
    Trained<Mixtral<small>, Ref<float>> m(seed{1});
    m.prepare_training({.sequences = 1, .length = 4});
    const int tokens[] = {1, 2, 3, 4}, targets[] = {2, 3, 4, 5};
    const double loss = m.accumulate(Batch::uniform(1, 4, tokens, targets));
    std::vector<std::string> all, shown;
    double side = 0;
    for (auto const& s : m.side_losses()) {
      (s.counts ? all : shown).push_back(s.name);
      side += s.weight * s.value;
    }
    CHECK(all ==
          std::vector<std::string>{"model.layers.0.block_sparse_moe.balance", "model.layers.0.block_sparse_moe.z",
                                   "model.layers.1.block_sparse_moe.balance", "model.layers.1.block_sparse_moe.z"});
    const std::string first = "model.layers.0.block_sparse_moe.";
    REQUIRE(shown.size() == 8);
    CHECK(std::vector<std::string>(shown.begin(), shown.begin() + 4) ==
          std::vector<std::string>{first + "max_violation", first + "load_entropy", first + "dead", first + "dropped"});
    CHECK(side > 0.9);  // two balance losses of about 1, half of each
    m.weigh_side_losses({{"*", 0}});
    CHECK(m.accumulate(Batch::uniform(1, 4, tokens, targets)) == doctest::Approx(loss - side).epsilon(1e-6));
  }
}

}  // namespace test_moe
