// Mixers against the layers of transformers that they are (tools/oracles/recurrence.py): Qwen3-Next's gated delta net,
// Kimi Linear's delta attention, RecurrentGemma's recurrent block, LFM2's short convolution, xLSTM's layer.
#include <fauna/blocks/kda.hpp>
#include <fauna/blocks/mlstm.hpp>
#include <fauna/blocks/rg_lru.hpp>
#include <fauna/blocks/short_conv.hpp>

#include "../support/mixer_golden.hpp"

namespace test_mixers_golden {

using namespace fauna;

TEST_CASE_TEMPLATE("mixers: transformers' outputs and gradients", B, Ref<double>, Cpu<>) {
  const Golden mixers("mixers.bin");
  test::file = &mixers;
  test::check_layer<GatedDeltaNet<12, 4, 2, 5, 3, 4, Epsilon{1e-6F}>, B>("gated_delta_net");
  test::check_layer<KimiDeltaAttention<12, 3, 4, 4, false>, B>("kda");
  test::check_layer<GriffinRecurrent<12, 8, 2, 4>, B>("griffin");
  test::check_layer<ShortConv<12, 3>, B>("short_conv");
  test::check_layer<Mlstm<12, 2, 3, 6>, B>("mlstm");
}

}  // namespace test_mixers_golden
