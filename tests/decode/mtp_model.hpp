// A small model with layers for further tokens, and what reads it for its drafter.
#pragma once
#include <fauna/models/deepseek.hpp>

#include "../support/speculate_check.hpp"

namespace test::mtp {

using namespace fauna;

using B = Cpu<>;
constexpr DeepseekV3Config of(int further) {
  return {{.layers = 2, .heads = 2, .width = 16, .hidden = 24, .context = 64, .vocab = 13, .epsilon = 1e-6F},
          {.experts = 4, .chosen = 2, .expert_hidden = 12, .shared_hidden = 12, .dense = 1, .balance = 0},
          {.rank = 12, .nope = 6, .rope = 4, .value = 5, .further = further}};
}
template <int Further> using Model = DeepseekV3<of(Further)>;
template <class M> using HiddenReader = Reader<Loaded<M, B>, true>;

}  // namespace test::mtp
