// A residual branch changes the width.
// expect: residual_changes_width Seq 128 256
#include <fauna/fauna.hpp>

using namespace fauna;
using Trunk = Residual<Seq<LayerNorm<128>, Linear<128, 256>>>;
struct Model : Lm<Embedding<65, 128>, Trunk, TiedHead<256, 65>> {};

Trained<Model, Cpu<>> model;
