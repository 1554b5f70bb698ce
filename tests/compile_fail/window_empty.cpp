// A window of no rows hides from a row even itself.
// expect: window_sees_no_row AttentionCore 0
#include <fauna/blocks/attention.hpp>

static_assert(fauna::legal<fauna::AttentionCore<4, 2, 8, fauna::Rate{}, fauna::Scores{.window = 0}>::fault>());
