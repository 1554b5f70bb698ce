// 4 heads do not divide among 3 ranks.
// expect: ranks_do_not_divide_heads CausalAttention 4 3
#include <fauna/blocks/tensor_parallel.hpp>
#include <fauna/models/gpt.hpp>
#include <fauna/ops/cpu.hpp>
#include <fauna/train/trained.hpp>

using Model = fauna::Gpt<fauna::GptConfig{.layers = 2, .heads = 4, .width = 24, .vocab = 27}>;
fauna::Trained<fauna::tensor_parallel<Model, 3>, fauna::Cpu<>> model;
