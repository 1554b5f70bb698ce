// Training in one process as many ranks would: with gradients of --pieces that are added by a tree.
#include <tools/src/trainer_of.hpp>

#include <fauna/dist/data_parallel.hpp>

int tool::with_trainer(TrainerSettings const& s, std::function<int(Trainer&)> const& f) {
  fauna::Solo solo;
  TrainerOf trainer(s, fauna::DataParallel(solo, s.pieces));
  return f(trainer);
}
