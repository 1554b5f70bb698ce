// A factor and a shift for each output of linear layers: gradients, a model that starts as its base, and what trains.
#include <doctest/doctest.h>

#include <vector>

#include <fauna/decode/adapter_parts.hpp>
#include <fauna/models/adapter_v2.hpp>
#include <fauna/ops/ref.hpp>

#include "../support/beside_base.hpp"
#include "../support/gradients.hpp"
#include "../support/temporary.hpp"

namespace test_adapter_v2 {

using namespace fauna;
using test::check, test::W;
using namespace test::beside_base;

TEST_SUITE("adapter_v2") {
  TEST_CASE_TEMPLATE("gradients", Block, AdapterV2<Linear<W, 5>>,
                     Residual<AdapterV2<StoredAs<conv1d, Linear<W, W, false>>>>) {
    check<Block>();
  }

  TEST_CASE("a model starts as its base, and trains factors, shifts and norms alone") {
    using Plain = test::beside_base::Base;
    using Adapted = adapter_v2<Plain>;
    static_assert(parameters<Adapted> - parameters<Plain> == 2 * 2 * (8 + 4 + 4 + 8 + 12 + 12 + 8));
    Trained<Plain, Cpu<>> plain(seed{4});
    Trained<Adapted, Cpu<>> model(seed{4});
    freeze_base(model);
    enlarge_base(plain);
    enlarge_base(model);
    // But for rounding: a residual is added behind the factor here, and by the product in the base.
    const auto start = logits(model), want = logits(plain);
    for (std::size_t i = 0; i < want.size(); ++i) CHECK(start[i] == doctest::Approx(want[i]).epsilon(1e-5));
    int trained = 0;
    for (auto const& p : model.parameters()) {
      CAPTURE(p.name);
      CHECK(p.trainable == (is_adapter(p.name) || matches("*norm*", p.name)));
      trained += p.trainable;
    }
    CHECK(trained == 2 * (2 * 7 + 2) + 1);
    for (const char* norm :
         {"h.0.ln_1.weight", "blocks.0.ln0.weight", "blocks.3.ln2.bias", "layers.1.input_layernorm.weight"})
      CHECK(AddAdapterV2::keeps(norm));
    CHECK(!AddAdapterV2::keeps("blocks.0.att.key.weight"));
    check_learning(model, 0.7);

    // The base's files with the adapter's laid over them are the model that was trained.
    const TemporaryFolder folder;
    save_weights<Plain>(folder / "base.safetensors", plain.weights());
    save_adapter_parts<Adapted>(folder / "adapter", model.weights(), "the base");
    CHECK(adapter_kind_of(folder / "adapter").name == "adapter_v2");
    SafeTensors files(folder / "base.safetensors");
    const std::size_t tensors = files.tensors().size();
    put_adapter(folder / "adapter", files);
    CHECK(files.tensors().size() == tensors + 2 * 2 * 7);  // norms are in the place of the base's
    Trained<Adapted, Cpu<>> read(seed{9});
    load_weights<Adapted>(Cpu<>{}, read.weights(), files);
    CHECK(logits(read) == logits(model));
    CHECK_THROWS_WITH_AS(files.put("model.norm.weight", {9}, std::vector<float>(9)),
                         doctest::Contains("model.norm.weight F32 [8], expected F32 [9]"), error);
  }
}

}  // namespace test_adapter_v2
