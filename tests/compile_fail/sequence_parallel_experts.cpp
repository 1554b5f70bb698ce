// A router weighs a row by what all rows chose, and the rows are on several ranks.
// expect: illegal model rows_are_on_several_ranks Moe
#include <fauna/dist/sequence_parallel.hpp>
#include <fauna/models/mixtral.hpp>
#include <fauna/ops/cpu.hpp>

using Model = fauna::Mixtral<fauna::MixtralConfig{.layers = 2,
                                                  .heads = 2,
                                                  .kv_heads = 2,
                                                  .head_size = 4,
                                                  .width = 8,
                                                  .hidden = 8,
                                                  .experts = 4,
                                                  .context = 16,
                                                  .vocab = 27}>;
fauna::SequenceShare<fauna::sequence_parallel<Model, 2>, fauna::Cpu<>> model;
