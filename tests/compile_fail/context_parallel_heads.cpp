// 2 heads of keys do not divide among 4 ranks that exchange rows for heads.
// expect: ranks_do_not_divide_heads AttentionCore 2 4
#include <fauna/blocks/context_parallel.hpp>
#include <fauna/models/llama.hpp>
#include <fauna/ops/cpu.hpp>
#include <fauna/train/trained.hpp>

using Model = fauna::Llama<fauna::LlamaConfig{
    .layers = 2, .heads = 4, .kv_heads = 2, .head_size = 6, .width = 24, .hidden = 20, .vocab = 27}>;
fauna::Trained<fauna::context_parallel<Model, 4, fauna::shared_attention::ulysses>, fauna::Cpu<>> model;
