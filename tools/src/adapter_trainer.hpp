// A model whose adapters train, as the program that fine-tunes sees it: numbers and texts, no type. What stands behind
// it, adapter_trainer.cpp, is compiled for each model; what stands before it, finetuner.cpp, once.
#pragma once
#include <cstdint>
#include <functional>
#include <string>

#include <fauna/core/ledger.hpp>
#include <fauna/io/tensor_file.hpp>
#include <fauna/text/tokens.hpp>
#include <fauna/train/options.hpp>

namespace tool {

class AdapterTrainer {
 public:
  virtual ~AdapterTrainer() = default;
  virtual int threads() const = 0;
  virtual int context() const = 0;                              ///< fauna::unbounded where the model has none
  virtual std::size_t trained() const = 0, frozen() const = 0;  ///< parameters
  virtual fauna::MemoryPlan planned() const = 0;
  /// The base's weights. With `pissa`, their principal parts become the adapters.
  virtual void start(fauna::TensorFile base, bool pissa) = 0;
  /// fauna::train, once.
  virtual fauna::TrainReport train(fauna::Split const& text, fauna::TrainOptions const& o) = 0;
  /// fauna::evaluate, after that: the mean loss in nats of a token.
  virtual double evaluate(fauna::Tokens const& text, int context, int sequences) = 0;
  virtual void load(std::string const& checkpoint) = 0;
  /// The adapter into a folder.
  virtual void save(std::string const& out) = 0;
};

struct AdapterSettings {
  std::uint64_t seed = 0;
  int threads = 1;
  double lora_plus = 1;
  std::string base{};  ///< its directory, or its GGUF file
};

/// f(trainer); what it returns is the exit status.
int with_adapters(AdapterSettings const& s, std::function<int(AdapterTrainer&)> const& f);

}  // namespace tool
