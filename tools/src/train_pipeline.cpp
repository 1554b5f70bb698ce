// Training in a pipeline on the ranks that mpirun started, as many as "model.hpp" says in model_ranks.
#include <tools/src/trainer_of.hpp>

#include <fauna/dist/pipeline.hpp>
#include <tools/src/mpi_ranks.hpp>

namespace {

/// f(trainer) of the stage that this rank has, which is stage I or a later one.
template <int I = 0>
int on_stage(fauna::Mpi& mpi, tool::TrainerSettings const& s, std::function<int(tool::Trainer&)> const& f) {
  if constexpr (I + 1 < model_ranks)
    if (mpi.rank() > I) return on_stage<I + 1>(mpi, s, f);
  using Ranks = fauna::Pipeline<fauna::Mpi>;
  using Stage = typename fauna::pipeline<Model, model_ranks>::template stage<I>;
  tool::TrainerOf<Ranks, fauna::Staged<Stage, Backend, fauna::Mpi>> trainer(
      s, Ranks(mpi, fauna::pipeline_schedule::one_by_one, s.pieces), mpi.size(), mpi.on_machine(), mpi);
  return f(trainer);
}

}  // namespace

int tool::with_trainer(TrainerSettings const& s, std::function<int(Trainer&)> const& f) {
  return fauna::on_mpi_ranks([&](fauna::Mpi& mpi) {
    require_ranks(mpi, s, model_ranks, "--pp");
    return on_stage(mpi, s, f);
  });
}
