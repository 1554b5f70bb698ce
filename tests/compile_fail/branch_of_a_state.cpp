// A recurrent state has no rows of which a branch could be kept.
// expect: keep: a state of one size rewind to a mark
#include <fauna/decode/cache.hpp>
#include <fauna/models/mamba.hpp>
#include <fauna/ops/cpu.hpp>

using namespace fauna;
using Model = Mamba<MambaConfig{.layers = 1, .width = 8, .inner = 16, .states = 3, .rank = 1, .vocab = 13}>;

void branch(Cache<Model, Cpu<>>& cache) { cache.keep(0, 1, {2}); }
