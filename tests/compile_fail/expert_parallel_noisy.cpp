// A router whose losses are of a rank's own rows alone.
// expect: ranks_deal_out_only_dropless_experts_of_one_kind NoisyTopK
#include <fauna/blocks/expert_parallel.hpp>
#include <fauna/blocks/linear.hpp>
#include <fauna/blocks/noisy_top_k.hpp>

using namespace fauna;
using Noisy = MixtureOfExperts<NoisyTopK<8, 4, 2>, Dropless, WeightedOutputs, Each<Linear<8, 8>, 4>>;
constexpr bool checked = legal<expert_parallel<Noisy, 2>::fault>();
