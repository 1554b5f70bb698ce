// Sparse upcycling: a mixture made of a dense model is that model, until it is trained.
#include <doctest/doctest.h>

#include <fauna/decode/weights.hpp>
#include <fauna/io/safetensors.hpp>
#include <fauna/io/upcycle.hpp>
#include <fauna/models/llama.hpp>
#include <fauna/models/mixtral.hpp>
#include <fauna/ops/ref.hpp>
#include <fauna/train/trained.hpp>

#include "../support/temporary.hpp"

namespace test_upcycle {

using namespace fauna;

namespace {

using Dense = Llama<LlamaConfig{.layers = 2,
                                .heads = 2,
                                .kv_heads = 1,
                                .head_size = 4,
                                .width = 8,
                                .hidden = 6,
                                .context = 16,
                                .vocab = 11,
                                .base = 10000}>;
using Sparse = Mixtral<MixtralConfig{.layers = 2,
                                     .heads = 2,
                                     .kv_heads = 1,
                                     .head_size = 4,
                                     .width = 8,
                                     .hidden = 6,
                                     .experts = 4,
                                     .chosen = 2,
                                     .context = 16,
                                     .vocab = 11,
                                     .base = 10000}>;
constexpr UpcycleNames mixtral{
    "mlp", "block_sparse_moe", {{"gate_proj", "w1"}, {"up_proj", "w3"}, {"down_proj", "w2"}}};
const int tokens[] = {1, 2, 3, 4, 7, 9}, targets[] = {2, 3, 4, 7, 9, 1};

}  // namespace

TEST_CASE("an upcycled model is its dense origin at step 0, and its experts part from there") {
  const TemporaryFolder folder;
  Trained<Dense, Ref<float>> dense(seed{1});
  Trained<Sparse, Ref<float>> sparse(seed{2});
  const std::string from = folder / "dense.safetensors", to = folder / "sparse.safetensors";
  save_weights<Dense>(from, dense.weights());
  const SafeTensors file(from);
  const Upcycled made = upcycled(file, mixtral, 4);
  CHECK(made.layers == 2);
  write_safetensors(to, made.tensors);
  load_weights<Sparse>(Ref<float>{}, sparse.weights(), SafeTensors(to));
  const Batch batch = Batch::uniform(1, 6, tokens, targets);
  dense.prepare_training({.sequences = 1, .length = 6});
  sparse.prepare_training({.sequences = 1, .length = 6});
  sparse.weigh_side_losses({{"*", 0}});
  const double loss = dense.accumulate(batch);
  CHECK(sparse.accumulate(batch) == doctest::Approx(loss).epsilon(1e-6));
  // Whatever the router says: also where it says something else.
  auto const& gate = sparse.parameter("model.layers.1.block_sparse_moe.gate.weight");
  for (int e = 0; e < 4; ++e) sparse.value(gate)(e, 0) += 3.0F * static_cast<float>(e);
  CHECK(sparse.accumulate(batch) == doctest::Approx(loss).epsilon(1e-6));
  sparse.update(AdamWOptions{.lr = 0.1});
  const auto w = [&](int e) {
    return sparse.value(
        sparse.parameter("model.layers.0.block_sparse_moe.experts." + std::to_string(e) + ".w1.weight"));
  };
  bool differ = false;
  for (int e = 1; e < 4; ++e) differ = differ || w(e)(0, 0) != w(0)(0, 0);
  CHECK(differ);
}

TEST_CASE("upcycling refuses what has no place in an expert") {
  const TemporaryFolder folder;
  const float bias[] = {1, 2};
  SafeTensor t;
  t.name = "model.layers.0.mlp.gate_proj.bias";
  t.dtype = "F32";
  t.shape = {2};
  t.data = reinterpret_cast<const std::byte*>(bias);
  t.bytes = sizeof bias;
  write_safetensors(folder / "bias.safetensors", {t});
  CHECK_THROWS_WITH_AS((void)upcycled(SafeTensors(folder / "bias.safetensors"), mixtral, 4),
                       doctest::Contains("model.layers.0.mlp.gate_proj.bias"), std::runtime_error);
  t.name = "model.norm.weight";
  write_safetensors(folder / "none.safetensors", {t});
  CHECK_THROWS_WITH_AS((void)upcycled(SafeTensors(folder / "none.safetensors"), mixtral, 4),
                       doctest::Contains("has no tensor named *.mlp.*"), std::runtime_error);
}

}  // namespace test_upcycle
