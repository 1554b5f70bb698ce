// Training in tensor parallel on the ranks that mpirun started, as many as "model.hpp" says in model_ranks.
#include <tools/src/trainer_of.hpp>

#include <fauna/blocks/tensor_parallel.hpp>
#include <fauna/dist/tensor_parallel.hpp>
#include <tools/src/mpi_ranks.hpp>

int tool::with_trainer(TrainerSettings const& s, std::function<int(Trainer&)> const& f) {
  return fauna::on_mpi_ranks([&](fauna::Mpi& mpi) {
    require_ranks(mpi, s, model_ranks, "--tp");
    using Part = fauna::Trained<fauna::tensor_parallel<Model, model_ranks>, Backend>;
    TrainerOf<fauna::TensorParallel<fauna::Mpi>, Part> trainer(s, fauna::TensorParallel<fauna::Mpi>(mpi), mpi.size(),
                                                               mpi.on_machine());
    return f(trainer);
  });
}
