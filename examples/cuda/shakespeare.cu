// nanoGPT's Shakespeare models on a GPU: the types, blocks and loop of examples/04_train.cpp, another policy.
//
//   shakespeare FILE              nanoGPT's run for a CPU: 2,001 updates of the small model
//   shakespeare FILE --large      its run for a GPU: 5,001 updates of 10.7 million parameters, bf16 products
//       --f32                     f32 products, whatever the model
//       --updates N               so many updates, and no evaluation: for timing
//
// FILE needs the 65 characters of Tiny Shakespeare. Checkpoints and loss curve go to out/; a checkpoint is the same
// file on every policy, so tools/fauna samples from it on a CPU.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>

#include <fauna/fauna.cuh>

namespace {

template <class Model, class Backend> void run(fauna::CharText const& text, fauna::TrainOptions const& options) {
  fauna::Trained<Model, Backend> model(fauna::seed{1337});
  const auto report = fauna::train(model, text, options);
  std::printf("\n%s\n",
              fauna::generate(model, text, "ROMEO:", {.tokens = 500, .at_end = fauna::context_end::slide}).c_str());
  std::printf("%lld updates, %.0f tokens/s, lowest estimate of the validation loss %.4f\n", report.iterations,
              report.tokens_per_second, report.best_val);
}

}  // namespace

int main(int count, char** arguments) {
  try {
    if (count < 2) fauna::fail("shakespeare", "no text", "a file: shakespeare FILE [--large] [--f32] [--updates N]");
    bool large = false, f32 = false;
    long updates = 0;
    for (int i = 2; i < count; ++i) {
      if (std::strcmp(arguments[i], "--large") == 0) large = true;
      else if (std::strcmp(arguments[i], "--f32") == 0) f32 = true;
      else if (std::strcmp(arguments[i], "--updates") == 0 && i + 1 < count) updates = std::atol(arguments[++i]);
      else fauna::fail("shakespeare", std::string("the argument ") + arguments[i], "--large, --f32 or --updates N");
    }
    const auto text = fauna::CharText::from_file(arguments[1]);
    if (text.vocab() != 65)
      fauna::fail("shakespeare", "a text of " + std::to_string(text.vocab()) + " characters", "65");
    fauna::TrainOptions options{.steps = 2000, .out = "out"};
    if (large) options = {.steps = 5000, .batch = 64, .eval_interval = 500, .eval_batches = 20, .out = "out"};
    if (updates > 0) {
      options.steps = updates - 1;
      options.eval_interval = 0;
      options.out.clear();
    }
    if (large && f32) run<fauna::NanoGptGpu, fauna::Cuda<fauna::f32_products>>(text, options);
    else if (large) run<fauna::NanoGptGpu, fauna::Cuda<fauna::bf16_products>>(text, options);
    else run<fauna::NanoGptCpu, fauna::Cuda<fauna::f32_products>>(text, options);
  } catch (std::exception const& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 1;
  }
}
