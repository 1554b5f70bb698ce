// Six heads do not divide into four groups that share B and C.
// expect: groups_do_not_divide_heads Mamba3Core 6 4
#include <fauna/blocks/mamba3.hpp>

static_assert(fauna::legal<fauna::Mamba3Mixer<
                  16, fauna::Mamba3Sizes{.heads = 6, .size = 4, .states = 8, .groups = 4, .angles = 2}>::fault>());
