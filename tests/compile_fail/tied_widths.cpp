// The head is tied to an embedding of another width than the trunk's.
// expect: widths_differ LayerNorm TiedHead 128 64
#include <fauna/models/gpt.hpp>
#include <fauna/ops/cpu.hpp>
#include <fauna/train/trained.hpp>

using namespace fauna;
struct Model : Lm<Embedding<65, 128>, At<"ln_f", LayerNorm<128>>, TiedHead<64, 65>> {};

Trained<Model, Cpu<>> model;
