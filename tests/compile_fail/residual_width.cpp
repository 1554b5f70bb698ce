// A residual branch changes the width.
// expect: residual_changes_width Seq 128 256
#include <fauna/models/gpt.hpp>
#include <fauna/ops/cpu.hpp>
#include <fauna/train/trained.hpp>

using namespace fauna;
using Trunk = Residual<Seq<LayerNorm<128>, Linear<128, 256>>>;
struct Model : Lm<Embedding<65, 128>, Trunk, TiedHead<256, 65>> {};

Trained<Model, Cpu<>> model;
