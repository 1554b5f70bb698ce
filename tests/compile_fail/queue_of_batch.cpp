// A shared capacity lets a neighbour's rows take a place: no decoder is made of it.
// expect: decoder_is_not_causal MixtureOfExperts Capacity
#include <fauna/blocks/embedding.hpp>
#include <fauna/blocks/linear.hpp>
#include <fauna/blocks/moe.hpp>
#include <fauna/compose/residual.hpp>
#include <fauna/compose/stack.hpp>
#include <fauna/models/lm.hpp>

using namespace fauna;
using Experts = MixtureOfExperts<TopK<8, 4, 2>, Capacity<Limits{.length = 64, .scope = queue_of::batch}>,
                                 WeightedOutputs, Each<Linear<8, 8>, 4>>;
struct Layer : Residual<At<"mlp", Experts>> {};
using Model = Lm<Embedding<11, 8>, At<"layers", Stack<0, 2, Layer>>, LmHead<8, 11>>;
constexpr bool checked = legal<Model::fault>();
