// Training in a pipeline on the ranks that mpirun started: as many as "model.hpp" says in model_ranks, times as many as
// there are parts of each tensor, have a copy of the model, and copies share the batches, and with
// model_zero 1 the moments.
#include <tools/src/trainer_of.hpp>

#include <fauna/dist/data_parallel.hpp>
#include <fauna/dist/pipeline.hpp>
#include <tools/src/model_parts.hpp>
#include <tools/src/mpi_ranks.hpp>

namespace {

using Groups = fauna::MeshGroups<fauna::Mpi>;

/// f(trainer) of the part that this rank has, which is part I or a later one.
template <int I = 0>
int on_part(Groups& groups, tool::TrainerSettings const& s, std::function<int(tool::Trainer&)> const& f) {
  if constexpr (I + 1 < model_ranks)
    if (groups.pp.rank() > I) return on_part<I + 1>(groups, s, f);
  using Ranks = fauna::Pipeline<fauna::Mpi, fauna::zero<model_zero, fauna::Mpi>>;
  using Part = typename tool::ModelInParts::template part<I>;
  tool::TrainerOf<Ranks, fauna::Staged<Part, Backend, fauna::Mpi>> trainer(
      s,
      Ranks(groups, fauna::pipeline_schedule_named(s.schedule), s.pieces,
            s.overlap ? fauna::overlap::on : fauna::overlap::off),
      groups.all.size(), groups.all.on_machine(), groups.pp);
  return f(trainer);
}

}  // namespace

int tool::with_trainer(TrainerSettings const& s, std::function<int(Trainer&)> const& f) {
  return on_ranks(s, [&](fauna::Mpi& mpi) {
    Groups groups(mpi, require_mesh(mpi, s, {.pp = model_ranks, .tp = model_tensor},
                                    model_tensor > 1 ? "--tp times --pp" : "--pp"));
    return on_part(groups, s, f);
  });
}
