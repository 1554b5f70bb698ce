// Weights are loaded for a language model: a layer alone has no vocabulary and no logits.
// expect: constraint Loaded Gelu
#include <fauna/decode/loaded.hpp>
#include <fauna/models/gpt.hpp>
#include <fauna/ops/cpu.hpp>

using namespace fauna;
extern Loaded<Gelu<8>, Cpu<>> layer;
