// Eight query heads cannot share three key heads.
// expect: key_heads_do_not_divide_heads AttentionCore 8 3
#include <fauna/blocks/attention.hpp>

static_assert(fauna::legal<fauna::AttentionCore<8, 3, 64>::fault>());
