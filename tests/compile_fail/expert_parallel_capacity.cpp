// Experts with queues of a capacity: who is served would depend on rows of other ranks.
// expect: ranks_deal_out_only_dropless_experts_of_one_kind Capacity
#include <fauna/blocks/expert_parallel.hpp>
#include <fauna/blocks/linear.hpp>

using namespace fauna;
using Queues = MixtureOfExperts<TopK<8, 4, 2>, Capacity<Limits{.length = 64}>, WeightedOutputs, Each<Linear<8, 8>, 4>>;
constexpr bool checked = legal<expert_parallel<Queues, 2>::fault>();
