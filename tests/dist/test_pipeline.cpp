// A model whose layers lie on several ranks, which are threads here: what a stage has, and what is sent. That it is the
// whole model is tested family by family in test_pipeline_*.cpp.
#include <algorithm>

#include <doctest/doctest.h>

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

  TEST_CASE("gradients of linear layers' weights can come later, with the same bits; what is frozen has none") {
    Alone<SmallGpt> at_once(seed{5}, 1), model(seed{5}, 1);
    for (auto* m : {&at_once, &model}) {
      m->freeze("transformer.h.3.mlp.c_fc.weight");
      m->prepare_training({.sequences = batch, .length = context});
    }
    BatchMemory text = drawn(0);
    at_once.accumulate(text.batch());
    LaterProducts<double> later;
    model.with(0, text.batch(), 1, {}, nullptr, [&](auto c, auto& w, auto& dw, auto& saved, auto& state) {
      (void)SmallGpt::forward(c, w, dw, state, saved);
      c.later = &later;
      SmallGpt::backward(c, w, dw, saved, state);
    });
    const auto none = [&model](std::string const& name) {
      auto const& p = model.parameter(name);
      const double* g = model.gradient(p).data();
      return std::all_of(g, g + p.size(), [](double x) { return x == 0; });
    };
    CHECK(none("transformer.h.4.mlp.c_fc.weight"));
    CHECK_FALSE(none("transformer.h.4.mlp.c_fc.bias"));
    int products = 0;
    model.look(text.batch(), [&](auto const& c, auto const&, auto&) {
      later.run([&](auto dw, auto dy, auto x) {
        add_product(c.backend, dw, dy, x);
        ++products;
      });
    });
    CHECK(products == 5 * 4 - 1);
    CHECK(distance(model, at_once, gradients) == 0);
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
  TEST_CASE("a part runs on its own rank alone") {
    test::on_ranks(2, [](ThreadRank& rank) {
      using Wrong = On<SmallGpt, 3, 0>;
      CHECK_THROWS_WITH_AS(Wrong(rank, seed{1}, 1), doctest::Contains("part 0 of 3 on rank"), error);
    });
  }
}

}  // namespace test_pipeline
