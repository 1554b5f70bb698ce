// Six heads of values cannot share four heads of keys.
// expect: key_heads_do_not_divide_heads Recur 6 4
#include <fauna/blocks/delta_net.hpp>

static_assert(fauna::legal<fauna::GatedDeltaNet<24, 6, 4, 8, 8>::fault>());
