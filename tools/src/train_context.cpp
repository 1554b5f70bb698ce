// Training in context parallel on the ranks that mpirun started: as many as "model.hpp" says in model_ranks share
// sequences, and copies share the batches.
#include <tools/src/trainer_of.hpp>

#include <fauna/dist/context_parallel.hpp>
#include <tools/src/mpi_ranks.hpp>

int tool::with_trainer(TrainerSettings const& s, std::function<int(Trainer&)> const& f) {
  return on_ranks(s, [&](fauna::Mpi& mpi) {
    fauna::MeshGroups groups(mpi, require_mesh(mpi, s, {.cp = model_ranks}, "--cp"));
    const auto overlap = s.overlap ? fauna::overlap::on : fauna::overlap::off;
    using Shared = Recomputed<fauna::context_parallel<Model, model_ranks>>;
    const auto run = [&](auto ranks) {
      TrainerOf<decltype(ranks), fauna::ContextShare<Shared, Backend, fauna::Mpi>> trainer(
          s, std::move(ranks), mpi.size(), mpi.on_machine(), groups.cp);
      return f(trainer);
    };
    switch (s.zero) {
      case 0: return run(fauna::ContextParallel<fauna::Mpi>(groups, overlap));
      case 1: return run(fauna::ContextParallel<fauna::Mpi, 1>(groups, overlap));
      case 2: return run(fauna::ContextParallel<fauna::Mpi, 2>(groups, overlap));
      default: return run(fauna::ContextParallel<fauna::Mpi, 3>(groups, overlap));
    }
  });
}
