// Schedules of pipelines as lists: complete, in an order that can be run, and with the idle time and the memory that
// their papers give.
#include <algorithm>
#include <map>
#include <tuple>

#include <doctest/doctest.h>

#include <fauna/dist/pipeline_schedule.hpp>

namespace test_pipeline_schedule {

using namespace fauna;

namespace {

constexpr StagePlacement loop(int ranks, int rounds = 1) { return {ranks, rounds}; }
constexpr StagePlacement folded(int ranks) { return {ranks, 2, stage_order::v}; }

/// How long an update takes where forward passes, gradients of inputs and of weights take one unit of time for all
/// stages of a rank; and the most that each rank holds, in batches of all of its stages. `pairs`: a forward pass and a
/// whole backward pass that follows are one pass, as DualPipeV has them, but for the very first pair of the last rank.
struct Run {
  double takes = 0;
  std::vector<double> held;
};
Run run(PipelinePlan const& plan, bool pairs = false) {
  using enum StagePass::kind;
  const double unit = 1.0 / plan.stages.rounds;
  const int last = plan.stages.stages() - 1;
  const auto ranks = static_cast<std::size_t>(plan.stages.ranks);
  std::vector<std::vector<StagePass>> lists;
  for (int r = 0; r < plan.stages.ranks; ++r) lists.push_back(passes_of(plan, r));
  std::map<std::pair<int, int>, double> forward_at, back_at;  // when it ends, by stage and batch
  std::vector<double> now(ranks), held(ranks);
  const auto ready = [&](StagePass const& p) {  // -1: not yet
    auto const& made = p.is == forward ? forward_at : back_at;
    const int from = p.is == forward ? p.stage - 1 : p.stage + 1;
    if (from < 0 || from > last || p.is == weights) return 0.0;
    const auto found = made.find({from, p.batch});
    return found == made.end() ? -1.0 : found->second;
  };
  bool first_of_last = true;
  Run result{.held = std::vector<double>(ranks)};
  std::vector<std::size_t> next(ranks);
  for (bool more = true; more;) {
    more = false;
    for (std::size_t r = 0; r < ranks; ++r)
      while (next[r] < lists[r].size()) {
        auto const* p = &lists[r][next[r]];
        std::size_t count = pairs && next[r] + 1 < lists[r].size() && p[0].is == forward && p[1].is == backward ? 2 : 1;
        if (count == 2 && r + 1 == ranks && first_of_last) count = 1, first_of_last = false;
        double from = now[r];
        bool waits = false;
        for (std::size_t i = 0; i < count; ++i) {
          waits = waits || ready(p[i]) < 0;
          from = std::max(from, ready(p[i]));
        }
        if (waits) break;
        more = true;
        for (std::size_t i = 0; i < count; ++i) from += p[i].is == backward ? 2 * unit : unit;
        now[r] = from;
        for (std::size_t i = 0; i < count; ++i) {
          if (p[i].is == forward) forward_at[{p[i].stage, p[i].batch}] = from;
          if (p[i].returns()) back_at[{p[i].stage, p[i].batch}] = from;
          held[r] += p[i].is == forward ? unit : p[i].is == inputs ? 0 : -unit;
          result.held[r] = std::max(result.held[r], held[r]);
        }
        next[r] += count;
      }
  }
  for (std::size_t r = 0; r < ranks; ++r) CHECK(next[r] == lists[r].size());
  result.takes = *std::max_element(now.begin(), now.end());
  return result;
}

}  // namespace

TEST_SUITE("pipeline schedules") {
  TEST_CASE("idle time and memory are those of the papers") {
    using enum pipeline_schedule;
    struct Known {
      pipeline_schedule how;
      StagePlacement four, eight;
      double takes_four, takes_eight;  // of 8 batches, of 16
      std::vector<double> held;
    };
    for (Known const& k : {Known{gpipe, loop(4), loop(8), 33, 69, {8, 8, 8, 8}},
                           Known{one_by_one, loop(4), loop(8), 33, 69, {4, 3, 2, 1}},
                           Known{interleaved, loop(4, 2), loop(8, 2), 28.5, 58.5, {5.5, 4.5, 3.5, 2.5}},
                           Known{zb1p, loop(4), loop(8), 27, 55, {4, 4, 4, 4}},
                           Known{zb1p, loop(4, 2), loop(8, 2), 25.5, 51.5, {4, 4, 4, 4}},
                           Known{zbv, folded(4), folded(8), 25.5, 51.5, {4, 4, 4, 4}},
                           Known{dual_pipe_v, folded(4), folded(8), 25.5, 51.5, {4.5, 4.5, 4.5, 4.5}}}) {
      CAPTURE(static_cast<int>(k.how));
      CAPTURE(k.four.rounds);
      const Run found = run({k.how, k.four, 8});
      CHECK(found.takes == k.takes_four);
      CHECK(found.held == k.held);
      CHECK(run({k.how, k.eight, 16}).takes == k.takes_eight);
    }
    // As published, where what comes of a pair comes at its end.
    CHECK(run({dual_pipe_v, folded(4), 8}, true).takes == 27);
    CHECK(run({dual_pipe_v, folded(8), 16}, true).takes == 55);
  }

  TEST_CASE("every batch has its passes on every stage, each after what it reads") {
    using enum pipeline_schedule;
    using enum StagePass::kind;
    for (const int ranks : {1, 2, 3, 4})
      for (const int batches : {1, 2, 3, 6, 7, 8, 10, 12})
        for (auto const& of :
             {std::pair{gpipe, loop(ranks)}, std::pair{one_by_one, loop(ranks)}, std::pair{interleaved, loop(ranks, 3)},
              std::pair{zb1p, loop(ranks)}, std::pair{zb1p, loop(ranks, 2)}, std::pair{zbv, folded(ranks)},
              std::pair{dual_pipe_v, folded(ranks)}}) {
          const pipeline_schedule how = of.first;
          const StagePlacement stages = of.second;
          const PipelinePlan plan{how, stages, batches};
          if (how == dual_pipe_v && batches < 2 * ranks) continue;
          if (const int turns = std::max(1, batches / ranks);
              stages.rounds > 1 && !there_and_back(how) && batches % turns != 0) {
            CHECK_THROWS_AS(require_schedule(plan), error);
            continue;
          }
          CAPTURE(static_cast<int>(how));
          CAPTURE(ranks);
          CAPTURE(batches);
          std::map<std::tuple<StagePass::kind, int, int>, std::size_t> at;  // moments
          const auto table = timetable(plan);
          for (std::size_t t = 0; t < table.size(); ++t)
            for (std::size_t r = 0; r < table[t].size(); ++r) {
              const StagePass p = table[t][r];
              if (p.is == none) continue;
              CHECK(stages.rank_of(p.stage) == static_cast<int>(r));
              CHECK(at.emplace(std::tuple{p.is, p.stage, p.batch}, t).second);
            }
          const auto when = [&at](StagePass::kind is, int stage, int batch) {
            const auto found = at.find({is, stage, batch});
            return found == at.end() ? -1 : static_cast<int>(found->second);
          };
          for (int s = 0; s < stages.stages(); ++s)
            for (int b = 0; b < batches; ++b) {
              const auto back = [&](int stage) { return std::max(when(backward, stage, b), when(inputs, stage, b)); };
              CHECK(when(forward, s, b) >= 0);
              CHECK((when(backward, s, b) >= 0) == (when(inputs, s, b) < 0));
              CHECK((when(inputs, s, b) >= 0) == (when(weights, s, b) >= 0));
              CHECK(back(s) > when(forward, s, b));
              if (when(weights, s, b) >= 0) CHECK(when(weights, s, b) > back(s));
              if (s > 0) CHECK(when(forward, s, b) > when(forward, s - 1, b));
              if (s > 0) CHECK(back(s - 1) > back(s));
              if (b > 0)  // gradients are added in this order
                CHECK(std::max(when(backward, s, b), when(weights, s, b)) >
                      std::max(when(backward, s, b - 1), when(weights, s, b - 1)));
            }
        }
  }

  TEST_CASE("activations need no more room than a schedule's batches without gradients of inputs") {
    using enum pipeline_schedule;
    const auto held = [](pipeline_schedule how, StagePlacement stages, int batches) {
      std::vector<int> all;
      for (int r = 0; r < stages.ranks; ++r) all.push_back(most_held({how, stages, batches}, r));
      return all;
    };
    CHECK(held(gpipe, loop(4), 8) == std::vector{8, 8, 8, 8});
    CHECK(held(one_by_one, loop(4), 8) == std::vector{4, 3, 2, 1});
    CHECK(held(one_by_one, loop(4), 2) == std::vector{2, 2, 2, 1});
    CHECK(held(zb1p, loop(4), 8) == std::vector{4, 3, 2, 1});
    CHECK(held(interleaved, loop(4, 2), 8) == std::vector{11, 9, 7, 5});
  }

  TEST_CASE("what a schedule is not for is refused") {
    using doctest::Contains;
    using enum pipeline_schedule;
    CHECK_THROWS_WITH_AS(passes_of({one_by_one, loop(2, 2), 4}, 0), Contains("2 stages a rank, expected one"), error);
    CHECK_THROWS_WITH_AS(passes_of({interleaved, loop(2, 2), 5}, 0),
                         Contains("5 batches of an update on 2 ranks, expected 4, or a multiple of the ranks"), error);
    CHECK_THROWS_WITH_AS(passes_of({zbv, loop(2, 2), 4}, 0),
                         Contains("2 stages a rank, in a loop, expected two of them, there and back"), error);
    CHECK_THROWS_WITH_AS(passes_of({interleaved, folded(2), 4}, 0), Contains("expected a loop"), error);
    CHECK_THROWS_WITH_AS(passes_of({dual_pipe_v, folded(2), 3}, 0), Contains("expected at least 4"), error);
  }
}

}  // namespace test_pipeline_schedule
