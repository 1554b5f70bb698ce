// Five angles turn ten states, and there are eight.
// expect: rotary_width_exceeds_head Mamba3Core 10 8
#include <fauna/blocks/mamba3.hpp>

static_assert(
    fauna::legal<fauna::Mamba3Mixer<16, fauna::Mamba3Sizes{.heads = 2, .size = 4, .states = 8, .angles = 5}>::fault>());
