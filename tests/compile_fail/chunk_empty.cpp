// Of chunks of no rows no row sees itself.
// expect: window_sees_no_row AttentionCore 0
#include <fauna/blocks/attention.hpp>

static_assert(fauna::legal<fauna::AttentionCore<4, 2, 8, fauna::Rate{}, fauna::Scores{.chunk = 0}>::fault>());
