// 3 ranks do not divide 64 hidden columns, whatever runs again in the backward pass.
// expect: ranks_do_not_divide_columns Linear 64 3
#include <fauna/blocks/selectively_recomputed.hpp>
#include <fauna/blocks/tensor_parallel.hpp>
#include <fauna/models/llama.hpp>
#include <fauna/ops/cpu.hpp>
#include <fauna/train/trained.hpp>

using Model = fauna::Llama<fauna::LlamaConfig{
    .layers = 2, .heads = 3, .kv_heads = 3, .head_size = 8, .width = 24, .hidden = 64, .vocab = 27}>;
fauna::Trained<fauna::selectively_recomputed<fauna::tensor_parallel<Model, 3>>, fauna::Cpu<>> model;
