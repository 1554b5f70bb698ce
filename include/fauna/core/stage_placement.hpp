// Which rank has which stages of a pipeline. With 3 ranks of two stages each:
//   loop   rank 0: 0 3   rank 1: 1 4   rank 2: 2 5      round and round (Narayanan et al. 2021, section 2.2)
//   v      rank 0: 0 5   rank 1: 1 4   rank 2: 2 3      there and back (Qi et al. 2024, "Pipeline parallelism with
//                                                       controllable memory"): one rank has both ends
#pragma once
#include <fauna/core/version.hpp>

namespace fauna::inline v0 {

enum class stage_order : int { loop, v };

/// `rounds`: stages of a rank. In a v they are two.
struct StagePlacement {
  int ranks = 1, rounds = 1;
  stage_order order = stage_order::loop;

  constexpr int stages() const { return ranks * rounds; }
  constexpr int rank_of(int stage) const {
    const int place = stage % ranks;
    return order == stage_order::v && stage >= ranks ? ranks - 1 - place : place;
  }
  /// The stage that a rank has in a round.
  constexpr int stage_of(int rank, int round) const {
    return round * ranks + (order == stage_order::v && round > 0 ? ranks - 1 - rank : rank);
  }
  friend constexpr bool operator==(StagePlacement const&, StagePlacement const&) = default;
};

}  // namespace fauna::inline v0
