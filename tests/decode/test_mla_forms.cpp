// Both forms of latent attention, from the same files: they are one function, and each keeps the rules of bits.
#include <doctest/doctest.h>

#include <cmath>
#include <fauna/blocks/spelt_mla.hpp>
#include <fauna/io/safetensors.hpp>
#include <fauna/models/deepseek.hpp>

#include "../support/decode_check.hpp"
#include "../support/source_dir.hpp"

namespace test_mla_forms {

using namespace fauna;

namespace {

// The models of tests/golden/models/deepseek_v2 and deepseek_v3, without and with a rank of queries, YaRN's scale.
using Small2 = DeepseekV2<DeepseekV2Config{
    {.layers = 3, .heads = 4, .width = 16, .hidden = 24, .context = 32, .vocab = 29, .epsilon = 1e-06F},
    {.experts = 6,
     .chosen = 3,
     .expert_hidden = 12,
     .shared_hidden = 24,
     .dense = 1,
     .groups = 3,
     .kept_groups = 2,
     .weight_scale = 1.5F},
    {.query_rank = 0, .rank = 12, .nope = 6, .rope = 4, .value = 5}}>;
using Small3 = DeepseekV3<DeepseekV3Config{
    {.layers = 3,
     .heads = 4,
     .width = 16,
     .hidden = 24,
     .context = 32,
     .vocab = 29,
     .base = 500.0,
     .scaling = {.kind = rope_scaling::yarn, .factor = 4.0, .original = 8, .attention = 1.0249579607969668},
     .score_scale = 0.3902588031658729,
     .epsilon = 1e-06F},
    {.experts = 6, .chosen = 3, .expert_hidden = 12, .shared_hidden = 12, .dense = 1, .groups = 2, .kept_groups = 1},
    {.query_rank = 8, .rank = 12, .nope = 6, .rope = 4, .value = 5}}>;
template <class M> constexpr const char* folder = "deepseek_v2";
template <> constexpr const char* folder<Small3> = "deepseek_v3";

static_assert(parameters<spelt_out<Small3>> == parameters<Small3>);
// A row of the cache: keys and values of all heads, or one latent and one rotated key. DeepSeek-V2-Lite has 8,192 and
// 576 numbers of 16 heads; values are as wide as keys here.
static_assert(state_bytes<SpeltMla<16, MlaSizes{}>>({.context = 64}) == 64 * 2 * 16 * 192 * sizeof(float));
static_assert(state_bytes<Mla<16, MlaSizes{}>>({.context = 64}) == 64 * 576 * sizeof(float));

}  // namespace

TEST_CASE_TEMPLATE("latent attention: absorbed and spelt out give the same logits", M, Small2, Small3) {
  using B = Cpu<>;
  const SafeTensors file(test::source_path(std::string("tests/golden/models/") + folder<M> + "/model.safetensors"));
  Loaded<M, B> absorbed(file, 1);
  Loaded<spelt_out<M>, B> spelt(file, 1);
  const auto ids = test::some_tokens<M>(32, 4);
  const auto want = test::at_once(absorbed, ids), got = test::at_once(spelt, ids);
  float worst = 0, largest = 0;
  for (std::size_t i = 0; i < want.size(); ++i) {
    worst = std::fmax(worst, std::fabs(got[i] - want[i]));
    largest = std::fmax(largest, std::fabs(want[i]));
  }
  CHECK(worst > 0);  // two forms
  CHECK(worst <= 1e-5F * largest);
  for (const int chunk : {1, 5, 17}) {  // and within each the rows of any call have the same bits
    Cache<M, B> latents(1, 32);
    Cache<spelt_out<M>, B> keys(1, 32);
    CHECK(test::in_chunks(absorbed, latents, ids, chunk) == want);
    CHECK(test::in_chunks(spelt, keys, ids, chunk) == got);
  }
}

}  // namespace test_mla_forms
