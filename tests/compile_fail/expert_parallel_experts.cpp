// 4 experts do not divide among 3 ranks.
// expect: ranks_do_not_divide_experts MixtralExpert 4 3
#include <fauna/blocks/expert_parallel.hpp>
#include <fauna/models/mixtral.hpp>

using namespace fauna;
using Model = Mixtral<MixtralConfig{
    .layers = 2, .heads = 2, .kv_heads = 1, .head_size = 4, .width = 8, .hidden = 8, .experts = 4, .vocab = 27}>;
constexpr bool checked = legal<expert_parallel<Model, 3>::fault>();
