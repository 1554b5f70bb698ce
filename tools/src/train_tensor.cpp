// Training in tensor parallel on the ranks that mpirun started: as many as "model.hpp" says in model_ranks have a copy
// of the model, and copies share the batches, and of each part what ZeRO's stage model_zero says.
#include <tools/src/trainer_of.hpp>

#include <fauna/blocks/tensor_parallel.hpp>
#include <fauna/dist/data_parallel.hpp>
#include <fauna/dist/tensor_parallel.hpp>
#include <tools/src/mpi_ranks.hpp>

int tool::with_trainer(TrainerSettings const& s, std::function<int(Trainer&)> const& f) {
  return fauna::on_mpi_ranks([&](fauna::Mpi& mpi) {
    fauna::MeshGroups groups(mpi, require_mesh(mpi, s, {.tp = model_ranks}, "--tp"));
    using Ranks = fauna::TensorParallel<fauna::Mpi, fauna::zero<model_zero, fauna::Mpi>>;
    using Part = fauna::Trained<fauna::tensor_parallel<Model, model_ranks>, Backend>;
    TrainerOf<Ranks, Part> trainer(s, Ranks(groups), mpi.size(), mpi.on_machine());
    return f(trainer);
  });
}
