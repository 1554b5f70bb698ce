// Prints what a model is made of and what it takes. Compiled, like runner.cpp, with the "model.hpp" of a model.
#include "model.hpp"

#include <cstdio>
#include <fauna/models/explain.hpp>
#include <fauna/ops/cpu.hpp>
#include <tools/src/main.hpp>
#include <tools/src/settings.hpp>

namespace {

int run(int n, char** arguments) {
  settings::Explain s;
  settings::read(s, n - 1, arguments + 1);
  const int context = s.context > 0 ? static_cast<int>(s.context) : Model::config.context;
  const int threads = s.threads > 0 ? static_cast<int>(s.threads) : fauna::default_threads();
  const fauna::Shape shape{.sequences = static_cast<int>(s.batch_size), .length = context, .threads = threads};

  std::printf("%s\n", fauna::explain<Model, Backend>(shape).c_str());
  std::printf("%s parameters\n", fauna::grouped(fauna::parameters<Model>).c_str());
  std::printf("%.4g GFLOP a token forward, %.4g GFLOP a training step, with a context of %d\n\n",
              1e-9 * fauna::flops_per_token<Model>(context),
              1e-9 * fauna::training_flops_per_token<Model>(context) * shape.rows(), context);
  std::printf("memory of a training step: %d x %d tokens, AdamW, %s, %d thread%s\n%s", shape.sequences, context,
              s.dtype.c_str(), threads, threads > 1 ? "s" : "",
              fauna::to_text(fauna::plan<Model, Backend>(shape)).c_str());
  return 0;
}

}  // namespace

int main(int n, char** arguments) { return tool::main_of(run, n, arguments); }
