// Training in tensor parallel on the ranks that mpirun started: as many as "model.hpp" says in model_ranks have a copy
// of the model, and copies share the batches, and of each part what ZeRO's stage model_zero says. With model_sequence
// each rank has rows of its own between the parts.
#include <tools/src/trainer_of.hpp>

#include <fauna/blocks/tensor_parallel.hpp>
#include <fauna/dist/data_parallel.hpp>
#include <fauna/dist/sequence_parallel.hpp>
#include <fauna/dist/tensor_parallel.hpp>
#include <tools/src/mpi_ranks.hpp>

namespace {

using Copies = fauna::zero<model_zero, fauna::Mpi>;
template <bool Sequence> struct Layout {
  using Ranks = fauna::TensorParallel<fauna::Mpi, Copies>;
  using Part = fauna::Trained<tool::Recomputed<fauna::tensor_parallel<Model, model_ranks>>, Backend>;
};
template <> struct Layout<true> {
  using Ranks = fauna::SequenceParallel<fauna::Mpi, Copies>;
  using Part = fauna::SequenceShare<tool::Recomputed<fauna::sequence_parallel<Model, model_ranks>>, Backend>;
};

}  // namespace

int tool::with_trainer(TrainerSettings const& s, std::function<int(Trainer&)> const& f) {
  return on_ranks(s, [&](fauna::Mpi& mpi) {
    fauna::MeshGroups groups(mpi, require_mesh(mpi, s, {.tp = model_ranks}, "--tp"));
    using Chosen = Layout<model_sequence>;
    const auto overlap = s.overlap ? fauna::overlap::on : fauna::overlap::off;
    TrainerOf<typename Chosen::Ranks, typename Chosen::Part> trainer(s, typename Chosen::Ranks(groups, overlap),
                                                                     mpi.size(), mpi.on_machine());
    return f(trainer);
  });
}
