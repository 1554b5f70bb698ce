// A learnt prefix beside attention: gradients, a model that starts as its base, what trains, and decoding.
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include <fauna/models/adapter.hpp>
#include <fauna/ops/ref.hpp>

#include "../support/beside_base.hpp"
#include "../support/decode_check.hpp"
#include "../support/gradients.hpp"

namespace test_prefixed_attention {

using namespace fauna;
using test::check, test::W;
using namespace test::beside_base;

TEST_SUITE("prefixed_attention") {
  // One projection without anything behind it; three with norms, positions and a key head of several.
  TEST_CASE_TEMPLATE("gradients", Block, adapter<CausalAttention<W, 2>, 3>,
                     Residual<adapter<RotaryAttention<W, 4, 2, 2, RopeShape{}, false, QkNorm{qk_norm::full}>, 2>>) {
    check<Block>();
  }

  using Plain = test::beside_base::Base;
  using Adapted = adapter<Plain>;
  static_assert(parameters<Adapted> - parameters<Plain> == 2 * (10 * 8 + 2));
  static_assert(std::is_same_v<Adapted, adapter<Plain, 10>> && !std::is_same_v<Adapted, adapter<Plain, 9>>);

  TEST_CASE("a model starts as its base, and trains prefixes and gates alone") {
    Trained<Plain, Cpu<>> plain(seed{4});
    Trained<Adapted, Cpu<>> model(seed{4});
    freeze_base(model);
    enlarge_base(plain);
    enlarge_base(model);
    CHECK(logits(model) == logits(plain));
    int trained = 0;
    for (auto const& p : model.parameters()) {
      CAPTURE(p.name);
      CHECK(p.trainable ==
            (p.name.ends_with(".self_attn.adapter_wte.weight") || p.name.ends_with(".self_attn.gating_factor")));
      trained += p.trainable;
    }
    CHECK(trained == 2 * 2);
    check_learning(model, 0.8);
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
