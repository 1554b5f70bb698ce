// What ranks with two stages each send, by how the stages are placed; and a model in stages that writes.
#include <doctest/doctest.h>

#include <fauna/decode/generate.hpp>
#include <fauna/models/gpt.hpp>

#include "pipeline_check.hpp"

namespace test_pipeline_borders {

using namespace fauna;
using namespace test::in_stages;
using test::ThreadRank;

namespace {

using SmallGpt = Gpt<GptConfig{.layers = 5, .heads = 2, .width = 12, .context = 12, .vocab = vocab}>;

}  // namespace

TEST_SUITE("pipeline") {
  TEST_CASE("in a loop three borders are between ranks, there and back two, and one table is enough") {
    constexpr std::size_t boundary = batches * rows * 12 * 8, table = vocab * 12 * 8;
    Alone<SmallGpt> whole(seed{5}, 1);
    whole.prepare_training({.sequences = batch, .length = context});
    accumulate_all(whole);
    const auto run = [&whole](auto order, pipeline_schedule how, std::size_t wanted) {
      on_stages<2>([&](ThreadRank& rank, auto part) {
        Counting counting(rank);
        On<SmallGpt, 2, part, Counting<ThreadRank>, 2, order> model(counting, seed{5}, 1);
        take_part(model, Alone<SmallGpt>(seed{5}, 1), rank.rank());
        model.prepare_training({.sequences = batch, .length = context});
        accumulate_all(model);
        model.run(how);
        require(counting.bytes() == wanted, std::to_string(counting.bytes()));
        require_near(distance(model, whole, gradients), 0, "gradients");
      });
    };
    run(std::integral_constant<stage_order, stage_order::loop>{}, pipeline_schedule::interleaved, 3 * boundary + table);
    run(std::integral_constant<stage_order, stage_order::v>{}, pipeline_schedule::zbv, 2 * boundary);
  }
  TEST_CASE("a text that is generated on two ranks is that of one") {
    using Float = Trained<SmallGpt, Ref<float>>;
    GenerateOptions o{.tokens = 5, .temperature = 0.9F, .chunk = 2};
    Float whole(seed{5}, 1);
    const std::vector<std::vector<int>> prompts{{3, 1, 4, 1}, {5, 9}};
    const auto wanted = generate_batch(whole, prompts, o, [](int, int) {});
    on_stages<2>([&](ThreadRank& rank, auto part) {
      Staged<typename pipeline<SmallGpt, 2>::template part<part>, Ref<float>, ThreadRank> model(rank, seed{5}, 1);
      take_part(model, whole, rank.rank());
      require(generate_batch(model, prompts, o, [](int, int) {}) == wanted, "ids");
    });
  }
}

}  // namespace test_pipeline_borders
