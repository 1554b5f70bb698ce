// Experts on several ranks beside one that all rows share, a router that is corrected by its load, and balance by
// sequence; ranks whose experts nobody chooses; and what is sent, to the byte.
#include <doctest/doctest.h>

#include <fauna/models/deepseek.hpp>

#include "expert_parallel_check.hpp"

namespace test_expert_parallel_deepseek {

using namespace fauna;
using namespace test::dealt_experts;
using test::ThreadRank;

namespace {

constexpr int experts = 8, chosen = 2, width = 8;
using Small = DeepseekV3<DeepseekV3Config{
    {.layers = 2, .heads = 2, .width = width, .hidden = 8, .context = 16, .vocab = 27, .tied = true},
    {.experts = experts, .chosen = chosen, .expert_hidden = 8, .shared_hidden = 8, .dense = 1, .balance = 0.5F},
    {.rank = 8, .nope = 4, .rope = 2, .value = 4}}>;

/// Rows choose the first experts alone, by corrections that no score reaches.
constexpr auto send_all_to_the_first = [](auto& model) {
  for (auto const& p : model.parameters())
    for (int e = 0; p.is == role::buffer && e < experts; ++e) model.value(p).data()[e] = 1000 - 100 * e;
};

}  // namespace

TEST_SUITE("expert_parallel") {
  TEST_CASE("DeepSeek on 2 ranks is that of one, weights and corrections after ten updates too") {
    check_pass<Small, 2>([](auto&) {});
    check_run<Small, 2>(1);
  }
  TEST_CASE("ranks whose experts get no row take part") {
    check_pass<Small, 2>(send_all_to_the_first);
    check_pass<Small, 4>(send_all_to_the_first);
  }
  TEST_CASE("ranks send the bytes that the formulas say") {
    BatchMemory text = some_text();
    std::vector<std::size_t> pass(2), sums(2), norms(2), wanted_sums(2), wanted_norms(2);
    test::on_ranks(2, [&](ThreadRank& ranks) {
      const auto r = static_cast<std::size_t>(ranks.rank());
      Counting counting(ranks);
      using Ranks = Counting<ThreadRank>;
      Part<Small, 2, Ranks> model(counting, seed{5}, 1);
      send_all_to_the_first(model);
      model.prepare_training({.sequences = 3, .length = context});
      ExpertParallel<Ranks> all(counting);
      model.accumulate(own(text, ranks.rank(), 2));
      pass[r] = counting.bytes();
      counting.forget();
      all.gradients(model, [](int) { return 0.0; });
      sums[r] = counting.bytes();
      counting.forget();
      all.update(model, {});
      norms[r] = counting.bytes();
      for (auto const& p : model.parameters()) wanted_sums[r] += p.alone ? 0 : 8 * p.size();
      wanted_sums[r] += 8;  // the loss
      wanted_norms[r] = 8 * model.parameters().size();
    });
    // The second rank's rows go to the first one and come back, forward and backward.
    const std::size_t rows = 3 * context * chosen, counts = 4 * experts / 2, balance = 2 * 4 * (experts + 3);
    CHECK(pass == std::vector<std::size_t>(2, 2 * 8 * rows * width + counts + balance));
    CHECK(sums == wanted_sums);
    CHECK(norms == wanted_norms);
  }
}

}  // namespace test_expert_parallel_deepseek
