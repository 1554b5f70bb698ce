// Training in context parallel on the ranks that mpirun started, as many as "model.hpp" says in model_ranks.
#include <tools/src/trainer_of.hpp>

#include <fauna/dist/context_parallel.hpp>
#include <tools/src/mpi_ranks.hpp>

int tool::with_trainer(TrainerSettings const& s, std::function<int(Trainer&)> const& f) {
  return on_ranks(s, [&](fauna::Mpi& mpi) {
    require_alike(mpi, s.told);
    using Shared = Recomputed<fauna::context_parallel<Model, model_ranks>>;
    const auto run = [&](auto ranks) {
      TrainerOf<decltype(ranks), fauna::ContextShare<Shared, Backend, fauna::Mpi>> trainer(
          s, std::move(ranks), mpi.size(), mpi.on_machine(), mpi);
      return f(trainer);
    };
    switch (s.zero) {
      case 0: return run(fauna::ContextParallel<fauna::Mpi>(mpi));
      case 1: return run(fauna::ContextParallel<fauna::Mpi, 1>(mpi));
      case 2: return run(fauna::ContextParallel<fauna::Mpi, 2>(mpi));
      default: return run(fauna::ContextParallel<fauna::Mpi, 3>(mpi));
    }
  });
}
