// Training on the ranks that mpirun started, in groups that share as ZeRO says and are copies of each other.
#include <tools/src/trainer_of.hpp>

#include <fauna/dist/hsdp.hpp>
#include <tools/src/mpi_ranks.hpp>

int tool::with_trainer(TrainerSettings const& s, std::function<int(Trainer&)> const& f) {
  return on_ranks(s, [&](fauna::Mpi& mpi) {
    require_alike(mpi, s.told);
    fauna::ReplicaGroups groups(mpi, s.replicas);
    const auto overlap = s.overlap ? fauna::overlap::on : fauna::overlap::off;
    const auto run = [&]<int Zero>(std::integral_constant<int, Zero>) {
      TrainerOf trainer(s, fauna::HybridSharded<fauna::Mpi, Zero>(groups, s.pieces, overlap), mpi.size(),
                        mpi.on_machine());
      return f(trainer);
    };
    switch (s.zero) {
      case 1: return run(std::integral_constant<int, 1>{});
      case 2: return run(std::integral_constant<int, 2>{});
      default: return run(std::integral_constant<int, 3>{});
    }
  });
}
