// A state cannot enter from the rank before where a rank has early and late positions.
// expect: states_pass_between_contiguous_shares MambaCore
#include <fauna/blocks/context_parallel.hpp>
#include <fauna/models/mamba.hpp>
#include <fauna/ops/cpu.hpp>
#include <fauna/train/trained.hpp>

using Model =
    fauna::Mamba<fauna::MambaConfig{.layers = 2, .width = 8, .inner = 16, .states = 4, .rank = 2, .vocab = 27}>;
fauna::Trained<fauna::context_parallel<Model, 2, fauna::shared_attention::ring, fauna::position_split::zigzag>,
               fauna::Cpu<>>
    model;
