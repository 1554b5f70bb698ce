// A model for inference, as the verbs see it: numbers in, numbers out. What stands behind it, engine.cpp, is compiled
// for each model; what stands before it, once.
#pragma once
#include <functional>
#include <vector>

#include <fauna/decode/generate.hpp>
#include <fauna/io/tensor_file.hpp>

namespace tool {

class Engine {
 public:
  virtual ~Engine() = default;
  virtual int vocab() const = 0;
  virtual int context() const = 0;  ///< fauna::unbounded where the model has none of its own
  /// The weights, before anything below is called.
  virtual void load(fauna::TensorFile const& from, int threads) = 0;

  /// logits[tokens, vocab], read through a cache, `chunk` tokens at once.
  virtual void logits(std::vector<int> const& ids, int chunk, float* logits) = 0;
  /// losses[rows] in nats of each target after the ids before it.
  virtual void losses(const int* ids, const int* targets, int rows, float* losses) = 0;
  /// fauna::generate_tokens.
  virtual std::vector<int> generate(std::vector<int> const& prompt, fauna::GenerateOptions const& o,
                                    std::function<bool(int)> const& see) = 0;
};

/// The model that the program was compiled for.
Engine& engine();

/// What fauna::generate_text calls for an engine, as it is closer than that of any model.
template <class F>
std::vector<int> generate_tokens(Engine& e, std::vector<int> const& prompt, fauna::GenerateOptions const& o, F&& see) {
  return e.generate(prompt, o, see);
}

}  // namespace tool
