// A head of 64 columns has no 80 to rotate.
// expect: rotary_width_exceeds_head Rope 80 64
#include <fauna/fauna.hpp>

fauna::Trained<fauna::GptNeoX<fauna::GptNeoXConfig{.rotary = 80}>, fauna::Cpu<>> model;
