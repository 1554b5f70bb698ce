// Training in expert parallel on the ranks that mpirun started: as many as "model.hpp" says in model_ranks deal out a
// copy of the experts, and all share the batches.
#include <tools/src/trainer_of.hpp>

#include <fauna/dist/expert_parallel.hpp>
#include <tools/src/mpi_ranks.hpp>

int tool::with_trainer(TrainerSettings const& s, std::function<int(Trainer&)> const& f) {
  return on_ranks(s, [&](fauna::Mpi& mpi) {
    fauna::MeshGroups groups(mpi, require_mesh(mpi, s, {.ep = model_ranks}, "--ep"));
    using Ranks = fauna::ExpertParallel<fauna::Mpi>;
    using Share = fauna::ExpertShare<Recomputed<fauna::expert_parallel<Model, model_ranks>>, Backend, fauna::Mpi>;
    TrainerOf<Ranks, Share> trainer(s, Ranks(groups), mpi.size(), mpi.on_machine(), groups);
    return f(trainer);
  });
}
