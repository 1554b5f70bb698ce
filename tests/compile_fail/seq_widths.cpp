// Two neighbours of a layer disagree about the width between them.
// expect: widths_differ Linear Gelu 512 384
#include <fauna/models/gpt.hpp>
#include <fauna/ops/cpu.hpp>
#include <fauna/train/trained.hpp>

using namespace fauna;
struct Layer : Residual<Seq<At<"ln", LayerNorm<128>>,
                            At<"mlp", Seq<At<"c_fc", Linear<128, 512>>, Gelu<384>, At<"c_proj", Linear<384, 128>>>>>> {
};
struct Model : Lm<Embedding<65, 128>, Stack<0, 4, Layer>, TiedHead<128, 65>> {};

Trained<Model, Cpu<>> model;
