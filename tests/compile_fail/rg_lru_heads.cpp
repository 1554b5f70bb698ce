// Twenty channels do not divide into three heads.
// expect: heads_do_not_divide_width RgLru 3 20
#include <fauna/blocks/rg_lru.hpp>

static_assert(fauna::legal<fauna::GriffinRecurrent<16, 20, 3>::fault>());
