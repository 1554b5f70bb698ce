// The first layer's value reaches all others, past the stages' borders.
// expect: trunk_is_no_sequence_around_one_stack Rwkv7Trunk
#include <fauna/models/pipeline.hpp>
#include <fauna/models/rwkv7.hpp>
#include <fauna/ops/cpu.hpp>
#include <fauna/train/trained.hpp>

using Model = fauna::Rwkv7<fauna::Rwkv7Config{.layers = 4, .heads = 1, .width = 64, .hidden = 64, .vocab = 27}>;
fauna::Trained<fauna::pipeline<Model, 2>::part<0>, fauna::Cpu<>> model;
