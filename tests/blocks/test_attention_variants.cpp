// Attention's variants and what stands around it in the dense families: backward against dual numbers.
#include <doctest/doctest.h>

#include <cmath>
#include <type_traits>

#include <fauna/blocks/gated_attention.hpp>
#include <fauna/blocks/scaled.hpp>
#include <fauna/blocks/self_attention.hpp>
#include <fauna/core/pieces.hpp>
#include <fauna/ops/ref.hpp>

#include "../support/gradients.hpp"
#include "../support/random.hpp"

namespace test_attention_variants {

namespace {

using namespace fauna;
using test::check, test::W;
using Windowed = AttentionCore<4, 2, 3, Rate{}, Scores{.window = 2}>;
using Capped = AttentionCore<3, 1, 2, Rate{0.2F}, Scores{.scale = 0.7, .cap = 0.5F}>;
using Biased = AttentionCore<3, 1, 2, Rate{0.2F}, Scores{.cap = 0.5F, .window = 4, .alibi = 0.75}>;
using Sinks = SinkAttention<4, 2, 3, Rate{0.2F}, Scores{.window = 3, .alibi = 1, .sinks = true}>;
using Chunked = AttentionCore<4, 2, 3, Rate{}, Scores{.chunk = 2}>;
using Both = AttentionCore<2, 2, 2, Rate{}, Scores{.cap = 0.5F, .window = 3}>;

using Growing = Tempered<2, 1, 3, Temperature{.scale = 0.5, .every = 2}>;

struct Fused : SelfAttentionNames {
  static constexpr label fused = "qkv_proj";
};

}  // namespace

TEST_SUITE("gradients") {
  TEST_CASE_TEMPLATE("windows, caps, biases and sinks", Block, Windowed, Chunked, Capped, Both, Biased, Sinks,
                     Growing) {
    check<Block>();
  }
  TEST_CASE_TEMPLATE("norms of heads, norms without weights, scales", Block, HeadNorm<2, RmsNorm<3>>,
                     HeadNorm<3, RmsNorm<4, Epsilon{1e-2F}, 1>>, LayerNorm<W, false, Epsilon{}, 1, false>,
                     LayerNorm<W, true, Epsilon{1e-2F}, 1>, Scaled<W, Multiplier{-0.3}>,
                     ScaledParts<ScaledPart{2, 0.4}, ScaledPart{1}, ScaledPart{3, -2.5}>, Clamped<W, Clip{0.4}>,
                     Rope<2, 1, 7, RopeShape{.rotary = 4, .scaling = {.kind = rope_scaling::yarn, .factor = 9}}>) {
    check<Block>();
  }
  TEST_CASE_TEMPLATE(
      "self-attention", Block,
      SelfAttention<SelfAttentionNames, W, 4, 2, 4,
                    SelfAttentionForm{.qkv_bias = true, .norm = {qk_norm::head}, .scores = {.window = 3}}>,
      SelfAttention<Fused, W, 2, 1, 6, SelfAttentionForm{.out_bias = true, .positions = false, .clip = {0.1}}>,
      SelfAttention<SelfAttentionNames, W, 2, 1, 4, SelfAttentionForm{.scores = {.window = 3, .sinks = true}}>,
      SelfAttention<SelfAttentionNames, W, 2, 1, 4,
                    SelfAttentionForm{.norm = {qk_norm::weightless}, .scores = {.chunk = 3}}>,
      SelfAttention<SelfAttentionNames, W, 2, 1, 4,
                    SelfAttentionForm{.positions = false, .temperature = {.scale = 0.3, .every = 2}}>,
      SelfAttention<SelfAttentionNames, W, 4, 2, 4, SelfAttentionForm{.norm = {qk_norm::weightless, 1e-2F}}>,
      GatedAttention<SelfAttentionNames, W, 2, 1, 4,
                     SelfAttentionForm{.qkv_bias = true, .norm = {qk_norm::head}, .rope = {.rotary = 2}}>) {
    check<Block>();
  }
}

TEST_CASE("a norm of queries and keys without weights is one whose weights are 1") {
  const auto run = [](auto block) {
    using Block = typename decltype(block)::type;
    const Batch batch = test::ragged();
    std::vector<double> weights;
    test::Random numbers(3);
    typename Block::template Weights<All<double>> w;
    Block::visit(w, Place{}, [&](Tensor const& t, auto&) {
      const bool norm = matches("*norm*", t.name());
      for (std::size_t i = 0; i < t.size(); ++i) weights.push_back(norm ? 1 : static_cast<double>(numbers.uniform()));
    });
    test::Pass<Block, double> p(batch, weights, {}, mode::eval);
    const auto x = test::random_values(static_cast<std::size_t>(batch.rows * W), 4);
    std::vector<double> y(x.size());
    Block::forward(p.call, p.w, p.state, View<const double, dyn, W>(x.data(), batch.rows),
                   View<double, dyn, W>(y.data(), batch.rows), p.saved);
    return y;
  };
  constexpr auto form = [](qk_norm over) { return SelfAttentionForm{.norm = {over, 1e-2F}}; };
  const auto got = run(std::type_identity<SelfAttention<SelfAttentionNames, W, 4, 2, 4, form(qk_norm::weightless)>>{}),
             want = run(std::type_identity<SelfAttention<SelfAttentionNames, W, 4, 2, 4, form(qk_norm::head)>>{}),
             none = run(std::type_identity<SelfAttention<SelfAttentionNames, W, 4, 2, 4, form(qk_norm::none)>>{});
  double worst = 0, apart = 0;
  for (std::size_t i = 0; i < got.size(); ++i) {
    worst = std::fmax(worst, std::fabs(got[i] - want[i]));
    apart = std::fmax(apart, std::fabs(got[i] - none[i]));
  }
  CHECK(worst <= 1e-14);
  CHECK(apart > 0.01);
}

TEST_CASE("queries and their gates lie head by head in one tensor of the files") {
  using Block = At<"self_attn", GatedAttention<SelfAttentionNames, 5, 2, 1, 4>>;
  Block::Weights<All<float>> w;
  int seen = 0;
  Block::visit(w, Place{}, [&](Tensor const& t, auto&) {
    const std::string name = t.name();
    const bool gate = name == "self_attn.gate_of_q.weight";
    if (!gate && name != "self_attn.q_proj.weight") return;
    ++seen;
    const auto pieces = pieces_of(t);
    REQUIRE(pieces.size() == 1);
    CHECK(pieces[0].name == "self_attn.q_proj.weight");
    CHECK(pieces[0].shape.of[0] == 16);
    CHECK(pieces[0].shape.of[1] == 5);
    for (int r = 0; r < 8; ++r) CHECK(pieces[0].row(r) == 5 * (r / 4 * 8 + (gate ? 4 : 0) + r % 4));
  });
  CHECK(seen == 2);
}

}  // namespace test_attention_variants
