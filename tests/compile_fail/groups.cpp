// The heads of Mamba-2 fall into groups of one size.
// expect: groups_do_not_divide_heads Mamba2Core 6 4
#include <fauna/blocks/mamba2.hpp>

static_assert(fauna::legal<fauna::Mamba2Core<fauna::Mamba2Sizes{.heads = 6, .groups = 4}>::fault>());
