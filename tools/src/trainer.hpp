// A model in training, as the program that trains sees it: numbers and texts, no type. What stands behind it,
// train_alone.cpp and its kin, is compiled for each model; what stands before it, runner.cpp, once.
#pragma once
#include <cstdint>
#include <functional>
#include <string>

#include <fauna/core/ledger.hpp>
#include <fauna/text/tokens.hpp>
#include <fauna/train/options.hpp>

namespace tool {

class Trainer {
 public:
  virtual ~Trainer() = default;
  virtual std::size_t parameters() const = 0;
  virtual int threads() const = 0;  ///< of this rank
  virtual fauna::MemoryPlan planned() const = 0;
  virtual int ranks() const = 0;    ///< that train together
  virtual bool writes() const = 0;  ///< one of them prints, and writes files
  /// Throws, on every rank, where they have not all the same of this.
  virtual void require_same(std::string const& what, std::uint64_t hash) = 0;
  /// The weights of a checkpoint, or of a model directory.
  virtual void load_weights(std::string const& from) = 0;
  /// fauna::train, once.
  virtual fauna::TrainReport train(fauna::Split const& text, fauna::TrainOptions const& o,
                                   std::string const& alphabet) = 0;
  /// fauna::evaluate, after that and on every rank: the mean loss in nats of a token.
  virtual double evaluate(fauna::Tokens const& text, int context, int sequences) = 0;
};

struct TrainerSettings {
  std::uint64_t seed = 0;
  long threads = 0;  ///< of a rank; 0: the machine's processors, divided among its ranks
  int pieces = 0, zero = 0, replicas = 1;
  bool overlap = false;    ///< do ranks exchange while they compute?
  double patience = 0;     ///< seconds that a rank waits for another; 0: for ever
  std::string schedule{};  ///< of a pipeline
  std::string told{};      ///< all that ranks must have been told alike
};

/// f(trainer), on each of the ranks that the program was started on; what it returns is the exit status.
int with_trainer(TrainerSettings const& s, std::function<int(Trainer&)> const& f);

}  // namespace tool
