// Training from states, and of states: the state-space models and the gated short convolution.
#include <fauna/blocks/short_conv.hpp>
#include <fauna/compose/residual.hpp>
#include <fauna/models/falcon_mamba.hpp>
#include <fauna/models/mamba.hpp>
#include <fauna/models/mamba2.hpp>

#include "../support/state_check.hpp"

namespace test_states_mamba {

namespace {

using namespace fauna;
using SmallMamba =
    Mamba<MambaConfig{.layers = 2, .width = 12, .inner = 20, .states = 5, .rank = 3, .taps = 3, .vocab = 13}>;
using SmallMamba2 =
    Mamba2<Mamba2Config{.layers = 2, .width = 12, .heads = 4, .head_size = 5, .states = 6, .groups = 2, .vocab = 13}>;
using SmallFalcon =
    FalconMamba<FalconMambaConfig{.layers = 1, .width = 12, .inner = 20, .states = 5, .rank = 3, .vocab = 13}>;
/// LFM2's mixer, without what stands between its layers.
struct ShortConvs : Lm<At<"embed", Embedding<13, 12>>,
                       Seq<At<"layers", Stack<0, 2, Residual<Seq<At<"norm", RmsNorm<12>>, At<"conv", ShortConv<12>>>>>>,
                           At<"norm_f", RmsNorm<12>>>,
                       TiedHead<12, 13>> {};

}  // namespace

TEST_SUITE("states") {
  TEST_CASE_TEMPLATE("training in pieces, packed, padded, and of a state", M, SmallMamba, SmallMamba2, SmallFalcon,
                     ShortConvs) {
    test::check_state<M>();
  }
}

}  // namespace test_states_mamba
