// 128 columns do not divide into 5 heads.
// expect: heads_do_not_divide_width MultiHead 128 5
#include <fauna/fauna.hpp>

fauna::Trained<fauna::Gpt<fauna::GptConfig{.heads = 5, .width = 128}>, fauna::Cpu<>> model;
