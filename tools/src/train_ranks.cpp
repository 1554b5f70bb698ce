// Training on the ranks that mpirun started.
#include <tools/src/trainer_of.hpp>

#include <fauna/dist/data_parallel.hpp>
#include <tools/src/mpi_ranks.hpp>

int tool::with_trainer(TrainerSettings const& s, std::function<int(Trainer&)> const& f) {
  return on_ranks(s, [&](fauna::Mpi& mpi) {
    require_alike(mpi, s.told);
    const auto run = [&](auto ranks) {
      TrainerOf trainer(s, std::move(ranks), mpi.size(), mpi.on_machine());
      return f(trainer);
    };
    const auto overlap = s.overlap ? fauna::overlap::on : fauna::overlap::off;
    switch (s.zero) {
      case 0: return run(fauna::data_parallel<fauna::Mpi>(mpi, s.pieces, overlap));
      case 1: return run(fauna::zero<1, fauna::Mpi>(mpi, s.pieces, overlap));
      case 2: return run(fauna::zero<2, fauna::Mpi>(mpi, s.pieces, overlap));
      default: return run(fauna::zero<3, fauna::Mpi>(mpi, s.pieces, overlap));
    }
  });
}
