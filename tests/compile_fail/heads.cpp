// 128 columns do not divide into 5 heads.
// expect: heads_do_not_divide_width MultiHead 128 5
#include <fauna/models/gpt.hpp>
#include <fauna/ops/cpu.hpp>
#include <fauna/train/trained.hpp>

fauna::Trained<fauna::Gpt<fauna::GptConfig{.heads = 5, .width = 128}>, fauna::Cpu<>> model;
