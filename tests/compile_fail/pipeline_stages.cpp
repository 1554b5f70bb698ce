// Three layers make no four stages.
// expect: more_stages_than_rounds GptTrunk 3 4
#include <fauna/models/gpt.hpp>
#include <fauna/models/pipeline.hpp>
#include <fauna/ops/cpu.hpp>
#include <fauna/train/trained.hpp>

using Model = fauna::Gpt<fauna::GptConfig{.layers = 3, .heads = 4, .width = 24, .vocab = 27}>;
fauna::Trained<fauna::pipeline<Model, 4>::part<0>, fauna::Cpu<>> model;
