// Experts that choose their rows look at all of them: no decoder is made of it, however deep it stands.
// expect: decoder_is_not_causal MixtureOfExperts ExpertChoice
#include <fauna/blocks/embedding.hpp>
#include <fauna/blocks/expert_choice.hpp>
#include <fauna/blocks/linear.hpp>
#include <fauna/blocks/moe.hpp>
#include <fauna/compose/residual.hpp>
#include <fauna/compose/stack.hpp>
#include <fauna/models/lm.hpp>

using namespace fauna;
using Experts = MixtureOfExperts<ExpertChoice<8, 4, 2>, Dropless, WeightedOutputs, Each<Linear<8, 8>, 4>>;
struct Layer : Residual<At<"mlp", Experts>> {};
using Model = Lm<Embedding<11, 8>, At<"layers", Stack<0, 2, Linear<8, 8>, Layer>>, LmHead<8, 11>>;
constexpr bool checked = legal<Model::fault>();
