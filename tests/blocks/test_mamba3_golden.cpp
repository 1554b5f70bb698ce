// Mamba-3's mixer against a loop of its equations (tools/oracles/mamba3.py).
#include <fauna/blocks/mamba3.hpp>

#include "../support/mixer_golden.hpp"

namespace test_mamba3_golden {

using namespace fauna;

TEST_CASE_TEMPLATE("mixers: outputs and gradients of Mamba-3's equations", B, Ref<double>, Cpu<>) {
  const Golden mixers("mamba3.bin");
  test::file = &mixers;
  test::check_layer<Mamba3Mixer<12, Mamba3Sizes{.heads = 3, .size = 4, .states = 8, .angles = 2}>, B>("plain");
  test::check_layer<
      Mamba3Mixer<12, Mamba3Sizes{.heads = 4, .size = 3, .states = 6, .groups = 2, .angles = 3, .norm = true}>, B>(
      "grouped");
}

}  // namespace test_mamba3_golden
