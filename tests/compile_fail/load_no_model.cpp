// Weights are loaded for a language model: a token table alone has no logits.
// expect: constraint Loaded Embedding
#include <fauna/blocks/embedding.hpp>
#include <fauna/decode/loaded.hpp>
#include <fauna/ops/cpu.hpp>

extern fauna::Loaded<fauna::Embedding<5, 4>, fauna::Cpu<>> table;
