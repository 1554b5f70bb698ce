// A model whose layers lie on several ranks, which are threads here: what a stage has, and what is sent. That it is the
// whole model is tested family by family in test_pipeline_*.cpp.
#include <algorithm>

#include <doctest/doctest.h>

#include <fauna/decode/generate.hpp>
#include <fauna/models/gpt.hpp>

#include "pipeline_check.hpp"

namespace test_pipeline {

using namespace fauna;
using namespace test::in_stages;
using test::ThreadRank;

namespace {

using SmallGpt = Gpt<GptConfig{.layers = 5, .heads = 2, .width = 12, .context = 12, .vocab = vocab, .dropout = 0.2F}>;
template <int N, int I> using Stage = typename pipeline<SmallGpt, N>::template stage<I>;

/// The first rank loses what the second sends it in messages of one size.
struct Forgetful {
  ThreadRank& ranks;
  std::size_t lost;
  int rank() const { return ranks.rank(); }
  int size() const { return ranks.size(); }
  void exchange(const Outgoing* to, const Incoming* from) {
    ranks.exchange(to, from);
    if (rank() == 0 && from[1].bytes == lost) std::fill_n(from[1].data, lost, std::byte{});
  }
};

}  // namespace

TEST_SUITE("pipeline") {
  TEST_CASE("stages have all tensors, under their names, and a tied table twice") {
    static_assert(Stage<2, 0>::parameters + Stage<2, 1>::parameters == parameters<SmallGpt>);
    std::vector<std::string> all;
    const auto add = [&]<int I>(std::integral_constant<int, I>) {
      for (auto const& name : whole_detail::names<Stage<3, I>, float>()) all.push_back(name);
    };
    add(std::integral_constant<int, 0>{}), add(std::integral_constant<int, 1>{}), add(std::integral_constant<int, 2>{});
    auto whole = whole_detail::names<SmallGpt, float>();
    CHECK(all.size() == whole.size() + 1);
    for (auto const& name : whole) CHECK(std::count(all.begin(), all.end(), name) == (name == whole[0] ? 2 : 1));
  }
  TEST_CASE("an update moves the bytes that the formulas say") {
    constexpr int n = 3, width = 12;
    on_stages<n>([](ThreadRank& rank, auto stage) {
      constexpr std::size_t boundary = batches * rows * width * 8, table = vocab * width * 8;
      Counting counting(rank);
      On<SmallGpt, n, stage, Counting<ThreadRank>> model(counting, seed{5}, 1);
      model.prepare_training({.sequences = batch, .length = context});
      for (const auto how : {pipeline_schedule::gpipe, pipeline_schedule::one_by_one}) {
        accumulate_all(model);
        counting.forget();
        model.run(how);
        require(counting.bytes() == (stage == 1 ? 2 * boundary : boundary + table), std::to_string(counting.bytes()));
      }
      counting.forget();
      BatchMemory text = drawn(0);
      std::vector<double> losses(rows);
      model.losses(text.batch(), losses.data());
      require(counting.bytes() == 8 * rows * (stage < n - 1 ? width : n - 1), "evaluation");
    });
  }

  TEST_CASE("of two stages a rank in a loop three borders are between ranks, there and back two, and one table") {
    constexpr std::size_t boundary = 4 * rows * 12 * 8, table = vocab * 12 * 8;
    const auto bytes = [](auto order, pipeline_schedule how, std::size_t wanted) {
      on_stages<2>([&](ThreadRank& rank, auto part) {
        Counting counting(rank);
        On<SmallGpt, 2, part, Counting<ThreadRank>, 2, order> model(counting, seed{5}, 1);
        model.prepare_training({.sequences = batch, .length = context});
        for (int i = 0; i < 4; ++i) {
          BatchMemory text = drawn(i);
          model.accumulate(text.batch());
        }
        model.run(how);
        require(counting.bytes() == wanted, std::to_string(counting.bytes()));
      });
    };
    bytes(std::integral_constant<stage_order, stage_order::loop>{}, pipeline_schedule::interleaved,
          3 * boundary + table);
    bytes(std::integral_constant<stage_order, stage_order::v>{}, pipeline_schedule::zbv, 2 * boundary);
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

  TEST_CASE("a gradient that is lost on the way is seen by these comparisons") {
    Alone<SmallGpt> whole(seed{5}, 1);
    whole.prepare_training({.sequences = batch, .length = context});
    accumulate_all(whole);
    // What messages of this size bring is forgotten: of the table's gradients, or those of rows.
    for (const std::size_t lost : {std::size_t{0}, std::size_t{8 * vocab * 12}, std::size_t{8 * rows * 12}}) {
      double far = 0;
      on_stages<2>([&](ThreadRank& rank, auto stage) {
        Forgetful forgetful{rank, lost};
        On<SmallGpt, 2, stage, Forgetful> model(forgetful, seed{5}, 1);
        take_part(model, Alone<SmallGpt>(seed{5}, 1), rank.rank());
        model.prepare_training({.sequences = batch, .length = context});
        accumulate_all(model);
        model.run(pipeline_schedule::one_by_one);
        if (rank.rank() == 0) far = distance(model, whole, gradients);
      });
      CAPTURE(lost);
      CHECK((far > 1e-6) == (lost > 0));
    }
  }
  TEST_CASE("a part runs on its own rank alone, and a schedule on the stages that it is for") {
    test::on_ranks(2, [](ThreadRank& rank) {
      using Wrong = On<SmallGpt, 3, 0>;
      CHECK_THROWS_WITH_AS(Wrong(rank, seed{1}, 1), doctest::Contains("part 0 of 3 on rank"), error);
    });
  }
}

}  // namespace test_pipeline
