// A model without a stack of layers has nothing to recompute.
// expect: rewrite touches nothing Flat RecomputeLayers
#include <fauna/compose/recomputed.hpp>
#include <fauna/models/gpt.hpp>
#include <fauna/ops/cpu.hpp>
#include <fauna/train/trained.hpp>

using namespace fauna;
struct Flat : Lm<Embedding<65, 128>, Residual<Seq<LayerNorm<128>, Linear<128, 128>>>, TiedHead<128, 65>> {};

Trained<recomputed<Flat>, Cpu<>> model;
