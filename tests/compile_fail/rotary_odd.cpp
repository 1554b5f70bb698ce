// Columns are rotated in pairs: five of a head cannot be.
// expect: rotary_width_is_odd Rope 5
#include <fauna/models/gpt_neox.hpp>
#include <fauna/ops/cpu.hpp>
#include <fauna/train/trained.hpp>

fauna::Trained<fauna::GptNeoX<fauna::GptNeoXConfig{.rotary = 5}>, fauna::Cpu<>> model;
