// In which order the ranks of a pipeline run an update's passes. A batch has a forward pass on each stage, and a
// backward pass, which may come in two halves (core/later.hpp): of the inputs, which the stage before waits for, and of
// the weights. With p ranks of v stages each, stage s of them, m batches, and passes that take F, B = I + W:
//   gpipe          all forward passes, then all backward passes (Huang et al. 2019, "GPipe")
//   one_by_one     1F1B (Narayanan et al. 2021, "Efficient large-scale language model training on GPU clusters",
//                  section 2.2): a backward pass as soon as there is one
//   interleaved    the same of several stages a rank, in turns of p batches or a few more: m is a multiple of their
//                  number, which is m / p without its fraction, or 1
//   zb1p           ZB-H1 (Qi et al. 2023, "Zero bubble pipeline parallelism", section 3): 1F1B, or interleaved, with
//                  halves; those of weights fill what was idle
//   zbv            ZB-V (the same, section 5): two stages a rank, there and back
//   dual_pipe_v    DualPipeV (DeepSeek-AI 2025, github.com/deepseek-ai/DualPipe, after the technical report of
//                  DeepSeek-V3, section 3.2.1): the same stages, with forward and backward passes in pairs; m >= 2 p
//                    a rank is idle            and holds at most, in batches of all of its stages
//   gpipe            (p - 1) (F + B)           m
//   one_by_one       (p - 1) (F + B)           p - r on rank r
//   interleaved      (p - 1) (F + B) / v       p + (p - 1) / v on rank 0
//   zb1p             (p - 1) (F + I - W) / v   p: till the second half, on every rank
//   zbv              (p - 1) F / 2             p
//   dual_pipe_v      (p - 1) (F + 2 B - 3 W) / 2   p + 1 / 2      of pairs that are one pass; less, of two in a row
#pragma once
#include <string>
#include <vector>

#include <fauna/core/error.hpp>
#include <fauna/core/stage_placement.hpp>

namespace fauna::inline v0 {

enum class pipeline_schedule : int { gpipe, one_by_one, interleaved, zb1p, zbv, dual_pipe_v };

inline constexpr const char* pipeline_schedules[] = {"gpipe", "1f1b", "interleaved", "zb1p", "zbv", "dualpipev"};
/// Throws for any other name.
inline pipeline_schedule pipeline_schedule_named(std::string const& name) {
  std::string all;
  for (int i = 0; i < 6; ++i) {
    if (name == pipeline_schedules[i]) return static_cast<pipeline_schedule>(i);
    all += (i > 0 ? ", " : "") + std::string(pipeline_schedules[i]);
  }
  fail("pipeline", "the schedule " + name, "one of " + all);
}
/// Has it the stages of a rank there and back?
constexpr bool there_and_back(pipeline_schedule how) {
  return how == pipeline_schedule::zbv || how == pipeline_schedule::dual_pipe_v;
}

struct StagePass {
  enum class kind : int { none, forward, backward, inputs, weights } is = kind::none;
  int stage = 0, batch = 0;
  /// Does it give the stage before its gradients?
  constexpr bool returns() const { return is == kind::backward || is == kind::inputs; }
  friend constexpr bool operator==(StagePass const&, StagePass const&) = default;
};

/// Of a pipeline's update.
struct PipelinePlan {
  pipeline_schedule how = pipeline_schedule::one_by_one;
  StagePlacement stages{};
  int batches = 1;
};

namespace schedule_detail {

/// A rank's passes, written down.
class Passes {
 public:
  Passes(PipelinePlan const& plan, int rank)
      : plan_(plan), rank_(rank), next_(2 * static_cast<std::size_t>(plan.stages.rounds)) {}

  /// The next batch's forward or backward pass on the rank's stage of a round; none where there is no further batch.
  void add(StagePass::kind is, int round) {
    int& next = next_[2 * static_cast<std::size_t>(round) + (is == StagePass::kind::forward ? 0 : 1)];
    const StagePass pass{is, plan_.stages.stage_of(rank_, round), next++};
    if (pass.batch >= plan_.batches) return;
    all_.push_back(pass);
    if (is == StagePass::kind::inputs) waiting_.push_back({StagePass::kind::weights, pass.stage, pass.batch});
  }
  /// The weights' half of the first pass that is without, of any stage or of one.
  void add_weights(int round = -1) {
    for (std::size_t i = 0; i < waiting_.size(); ++i) {
      if (round >= 0 && waiting_[i].stage != plan_.stages.stage_of(rank_, round)) continue;
      all_.push_back(waiting_[i]);
      waiting_.erase(waiting_.begin() + static_cast<std::ptrdiff_t>(i));
      return;
    }
  }
  std::vector<StagePass> all() {
    while (!waiting_.empty()) add_weights();
    return all_;
  }

 private:
  PipelinePlan plan_;
  int rank_;
  std::vector<int> next_;
  std::vector<StagePass> all_, waiting_;
};

/// In how many turns of at least a batch for each rank, if there are so many, batches go through a rank's stages.
inline int turns_of(PipelinePlan const& plan) {
  const int turns = plan.batches / plan.stages.ranks;
  return turns > 0 ? turns : 1;
}

inline std::vector<StagePass> in_loops(PipelinePlan const& plan, int rank) {
  using enum StagePass::kind;
  const int p = plan.stages.ranks, v = plan.stages.rounds, q = plan.batches / turns_of(plan), all = v * plan.batches;
  const bool halves = plan.how == pipeline_schedule::zb1p;
  int first = all;  // forward passes before the first pair
  if (plan.how != pipeline_schedule::gpipe) {
    const int further = plan.how == pipeline_schedule::interleaved ? 2 * (p - 1 - rank) : p - 1 - rank;
    if ((v - 1) * q + further < all) first = (v - 1) * q + further;
  }
  Passes to(plan, rank);
  for (int i = 0; i < first; ++i) to.add(forward, i / q % v);
  for (int i = 0; i < all; ++i) {
    if (first + i < all) to.add(forward, (first + i) / q % v);
    to.add(halves ? inputs : backward, v - 1 - i / q % v);
    if (halves && i >= rank) to.add_weights();
  }
  return to.all();
}

inline std::vector<StagePass> zero_bubble_v(PipelinePlan const& plan, int rank) {
  using enum StagePass::kind;
  const int p = plan.stages.ranks, r = rank, out = 0, back = 1;
  const int batches = plan.batches < 2 * p - 1 ? 2 * p - 1 : plan.batches;  // those that are not there are passed over
  Passes to(plan, rank);
  const auto times = [](int n, auto&& f) {
    for (int i = 0; i < n; ++i) f();
  };
  const auto whole = [&to](int round) { to.add(inputs, round), to.add_weights(round); };
  times(2 * (p - r) - 1, [&] { to.add(forward, out); });
  times(r, [&] { to.add(forward, back), to.add(forward, out); });
  times(p - r, [&] { to.add(forward, back), whole(back); });
  times(batches - p, [&] { to.add(forward, out), whole(out), to.add(forward, back), whole(back); });
  times(r, [&] { to.add(inputs, out), to.add(inputs, back); });
  times(p - r, [&] { whole(out); });
  times(r, [&] { to.add_weights(back); });
  return to.all();
}

inline std::vector<StagePass> dual_pipe_v(PipelinePlan const& plan, int rank) {
  using enum StagePass::kind;
  const int p = plan.stages.ranks, r = rank, out = 0, back = 1;
  Passes to(plan, rank);
  const auto times = [](int n, auto&& f) {
    for (int i = 0; i < n; ++i) f(i);
  };
  times(2 * (p - r - 1), [&](int) { to.add(forward, out); });
  times(r + 1, [&](int) { to.add(forward, out), to.add(forward, back); });
  times(p - r - 1, [&](int) { to.add(inputs, back), to.add_weights(), to.add(forward, back); });
  times(plan.batches - 2 * p + r + 1, [&](int) {
    to.add(forward, out), to.add(backward, back);
    to.add(forward, back), to.add(backward, out);
  });
  times(p - r - 1, [&](int) { to.add(backward, back), to.add(forward, back), to.add(backward, out); });
  times(r + 1, [&](int i) {  // half of them are in halves
    const int middle = (r + 1) / 2;
    to.add(i > middle || (i == middle && r % 2 == 1) ? inputs : backward, back);
    to.add(i >= middle ? inputs : backward, out);
  });
  times(p - r - 1, [&](int) { to.add_weights(), to.add(inputs, out); });
  return to.all();
}

}  // namespace schedule_detail

/// Throws where a schedule is not for these stages or batches.
inline void require_schedule(PipelinePlan const& plan) {
  using enum pipeline_schedule;
  StagePlacement const& s = plan.stages;
  const auto number = [](int n) { return std::to_string(n); };
  const bool folds = there_and_back(plan.how), turns = plan.how == interleaved || plan.how == zb1p;
  if (folds != (s.order == stage_order::v) || (folds && s.rounds != 2))
    fail("pipeline",
         number(s.rounds) + " stages a rank, " + (s.order == stage_order::v ? "there and back" : "in a loop"),
         folds ? "two of them, there and back" : "a loop", "so the schedule has it");
  if (!folds && !turns && s.rounds != 1)
    fail("pipeline", number(s.rounds) + " stages a rank", "one", "or a schedule that interleaves them");
  const int excess = turns && s.rounds > 1 ? plan.batches % schedule_detail::turns_of(plan) : 0;
  if (excess != 0)
    fail("pipeline", number(plan.batches) + " batches of an update on " + number(s.ranks) + " ranks",
         number(plan.batches - excess) + ", or a multiple of the ranks",
         "stages of a rank take turns of as many batches each, as many as ranks or more");
  if (plan.how == dual_pipe_v && plan.batches < 2 * s.ranks)
    fail("pipeline", number(plan.batches) + " batches of an update on " + number(s.ranks) + " ranks",
         "at least " + number(2 * s.ranks), "they go through the stages from both ends");
}

/// What a rank does in an update, in order.
inline std::vector<StagePass> passes_of(PipelinePlan const& plan, int rank) {
  require_schedule(plan);
  if (plan.how == pipeline_schedule::zbv) return schedule_detail::zero_bubble_v(plan, rank);
  if (plan.how == pipeline_schedule::dual_pipe_v) return schedule_detail::dual_pipe_v(plan, rank);
  return schedule_detail::in_loops(plan, rank);
}

/// Of a rank's stages together: batches between their forward pass and the one that gives gradients to the stage
/// before, at most; each needs room for activations.
inline int most_held(PipelinePlan const& plan, int rank) {
  int held = 0, most = 0;
  for (StagePass const& p : passes_of(plan, rank)) {
    if (p.is == StagePass::kind::forward && ++held > most) most = held;
    if (p.returns()) --held;
  }
  return most;
}

/// What each rank does at each moment: [moment][rank]. A pass waits until what it reads has been made at an earlier
/// one.
inline std::vector<std::vector<StagePass>> timetable(PipelinePlan const& plan) {
  const auto ranks = static_cast<std::size_t>(plan.stages.ranks), batches = static_cast<std::size_t>(plan.batches);
  const int last = plan.stages.stages() - 1;
  std::vector<std::vector<StagePass>> lists(ranks);
  std::size_t left = 0;
  for (std::size_t r = 0; r < ranks; ++r) {
    lists[r] = passes_of(plan, static_cast<int>(r));
    left += lists[r].size();
  }
  std::vector<char> out(batches * static_cast<std::size_t>(last + 1)), back(out.size());  // is it there?
  const auto at = [batches](int stage, int batch) {
    return static_cast<std::size_t>(stage) * batches + static_cast<std::size_t>(batch);
  };
  std::vector<std::size_t> next(ranks);
  std::vector<std::vector<StagePass>> table;
  while (left > 0) {
    const std::size_t before = left;
    auto& moment = table.emplace_back(ranks);
    for (std::size_t r = 0; r < ranks; ++r) {
      if (next[r] == lists[r].size()) continue;
      const StagePass p = lists[r][next[r]];
      const bool ready = p.is == StagePass::kind::forward ? p.stage == 0 || out[at(p.stage - 1, p.batch)] != 0
                         : p.returns()                    ? p.stage == last || back[at(p.stage + 1, p.batch)] != 0
                                                          : true;
      if (!ready) continue;
      moment[r] = p;
      ++next[r];
      --left;
    }
    if (left == before) fail("pipeline", "passes that wait for each other", "a schedule that ends");
    for (StagePass const& p : moment) {
      if (p.is == StagePass::kind::forward) out[at(p.stage, p.batch)] = 1;
      if (p.returns()) back[at(p.stage, p.batch)] = 1;
    }
  }
  return table;
}

}  // namespace fauna::inline v0
