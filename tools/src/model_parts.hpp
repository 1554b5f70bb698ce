// The parts that the ranks of a pipeline have of the model that "model.hpp" names, in so many parts each.
#pragma once
#include "model.hpp"

#include <fauna/blocks/sequence_parallel.hpp>
#include <fauna/models/pipeline.hpp>
#include <tools/src/recomputed.hpp>

namespace tool {

template <int Ways, bool Rows> struct CutModel { using type = fauna::tensor_parallel<Model, Ways>; };
template <int Ways> struct CutModel<Ways, true> { using type = fauna::sequence_parallel<Model, Ways>; };
template <> struct CutModel<1, false> { using type = Model; };

using ModelInParts =
    fauna::pipeline<Recomputed<typename CutModel<model_tensor, model_sequence>::type>, model_ranks, model_rounds,
                    model_there_and_back ? fauna::stage_order::v : fauna::stage_order::loop>;

}  // namespace tool
