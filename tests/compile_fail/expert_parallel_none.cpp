// A dense model has no experts to deal out.
// expect: rewrite touches nothing Gpt InExpertParallel
#include <fauna/blocks/expert_parallel.hpp>
#include <fauna/models/gpt.hpp>

using namespace fauna;
using Model = expert_parallel<Gpt<GptConfig{.layers = 2, .heads = 2, .width = 8, .context = 16, .vocab = 27}>, 2>;
constexpr bool checked = legal<Model::fault>();
