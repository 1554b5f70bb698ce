// The state of a scan goes from row to row, and the rows are on several ranks.
// expect: illegal model rows_are_on_several_ranks MambaCore
#include <fauna/dist/sequence_parallel.hpp>
#include <fauna/models/mamba.hpp>
#include <fauna/ops/cpu.hpp>

using Model = fauna::Mamba<fauna::MambaConfig{.layers = 2, .width = 24, .vocab = 27}>;
fauna::SequenceShare<fauna::sequence_parallel<Model, 2>, fauna::Cpu<>> model;
