// Training in one process.
#include <tools/src/trainer_of.hpp>

int tool::with_trainer(TrainerSettings const& s, std::function<int(Trainer&)> const& f) {
  TrainerOf<fauna::OneRank> trainer(s, {});
  return f(trainer);
}
