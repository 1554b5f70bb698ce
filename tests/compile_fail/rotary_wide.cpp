// A head of 64 columns has no 80 to rotate.
// expect: rotary_width_exceeds_head Rope 80 64
#include <fauna/models/gpt_neox.hpp>
#include <fauna/ops/cpu.hpp>
#include <fauna/train/trained.hpp>

fauna::Trained<fauna::GptNeoX<fauna::GptNeoXConfig{.rotary = 80}>, fauna::Cpu<>> model;
