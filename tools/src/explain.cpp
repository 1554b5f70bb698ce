// Prints what a model is made of and what it takes. Compiled, like train_alone.cpp, with the "model.hpp" of a model.
#include "model.hpp"

#include <cstdio>
#include <fauna/core/concepts.hpp>
#include <fauna/core/number_text.hpp>
#include <fauna/io/json.hpp>
#include <fauna/io/quants.hpp>
#include <fauna/io/quants/mix.hpp>
#include <fauna/models/explain.hpp>
#include <fauna/ops/cpu.hpp>
#include <fauna/train/adapters.hpp>
#include <tools/src/main.hpp>
#include <tools/src/settings.hpp>

/// How the weights of what trains are stored, where model.hpp says nothing else.
#ifndef FAUNA_TRAINED_AS
#define FAUNA_TRAINED_AS fauna::All<float>
#endif

namespace {

/// Does M have adapters, which alone train?
template <class M> inline constexpr bool adapted = requires { M::rewriting::keeps(std::string()); };

template <class M> fauna::MemoryPlan plan_of(fauna::Shape const& shape) {
  if constexpr (adapted<M>) return fauna::plan_beside_base<M, Backend, FAUNA_TRAINED_AS>(shape);
  else return fauna::plan<M, Backend>(shape);
}

/// Bytes in a file of the matrices that stay there under M's adapters, in this type or what fits their rows.
template <class M> std::size_t bytes_in_file(std::string const& type) {
  typename M::template Weights<FAUNA_TRAINED_AS> w{};
  std::size_t bytes = 0;
  M::visit(w, fauna::Place{}, [&](fauna::Tensor const& t, auto& v) {
    if constexpr (requires { v.from; }) {
      const std::string_view own = fauna::fitting(type, static_cast<std::size_t>(t.cols));
      fauna::BlockFormat const* const f = fauna::block_format(own);
      bytes += f == nullptr ? 2 * t.size() : t.size() / f->elements * f->bytes;  // F16
    }
  });
  return bytes;
}

/// What M computes. A step with adapters takes no gradient of the base: how much that spares, nothing counts.
template <class M> std::string costs_of(fauna::Shape const& shape) {
  std::string said = tool::sentence("%.4g GFLOP a token forward, ", 1e-9 * fauna::flops_per_token<M>(shape.length));
  if constexpr (!adapted<M>)
    said += tool::sentence("%.4g GFLOP a training step, ",
                           1e-9 * fauna::training_flops_per_token<M>(shape.length) * shape.rows());
  return said + "with a context of " + std::to_string(shape.length);
}

/// Parameters that a token meets: of a mixture, those of the experts that it chooses.
template <class M> constexpr std::size_t active() {
  if constexpr (requires { M::active_parameters; }) return M::active_parameters;
  else return fauna::parameters<M>;
}

/// The tree and the counts: FLOPs of a token forward, bytes of the weights in f32, and of a cache for one sequence.
template <class M> std::string as_json(int context) {
  std::string blocks;
  fauna::walk<M>("", 0, [&]<class Block>(std::string const& name, int depth, bool leaf) {
    std::string line = "{\"depth\": " + std::to_string(depth) + ", \"name\": " + fauna::json_quoted(name);
    if constexpr (requires { Block::kind_name; })
      line += ", \"kind\": " + fauna::json_quoted(Block::kind_name) + ", \"in\": " + std::to_string(Block::in) +
              ", \"out\": " + std::to_string(Block::out);
    line += ", \"parameters\": " + std::to_string(fauna::count_parameters<Block>()) +
            ", \"leaf\": " + (leaf ? "true" : "false") + '}';
    blocks += (blocks.empty() ? "\n  " : ",\n  ") + line;
  });
  const std::size_t parameters = fauna::parameters<M>;
  return "{\"parameters\": " + std::to_string(parameters) +
         ",\n \"active_parameters\": " + std::to_string(active<M>()) +
         ",\n \"flops_per_token\": " + fauna::number_text::of(fauna::flops_per_token<M>(context)) +
         ",\n \"context\": " + std::to_string(context) +
         ",\n \"weight_bytes\": " + std::to_string(sizeof(float) * parameters) +
         ",\n \"cache_bytes\": " + std::to_string(fauna::state_bytes<M, float>({.sequences = 1, .context = context})) +
         ",\n \"blocks\": [" + blocks + "]}\n";
}

int run(int n, char** arguments) {
  settings::Explain s;
  settings::read(s, n - 1, arguments + 1);
  constexpr int own = fauna::context_of<Model> == fauna::unbounded ? 1024 : fauna::context_of<Model>;
  const int context = s.context > 0 ? static_cast<int>(s.context) : own;
  if (s.json) {
    fauna::print(stdout, as_json<Model>(context));
    return 0;
  }
  const int threads = s.threads > 0 ? static_cast<int>(s.threads) : fauna::default_threads();
  const fauna::Shape shape{.sequences = static_cast<int>(s.batch_size), .length = context, .threads = threads};

  const std::string step =
      tool::sentence("memory of a training step: %d x %d tokens, AdamW, ", shape.sequences, context) + s.dtype +
      tool::sentence(", %d thread%s", threads, threads > 1 ? "s" : "");
  fauna::print(stdout, fauna::explain<Model, Backend>(shape) + '\n' + fauna::grouped(fauna::parameters<Model>) +
                           " parameters\n" + costs_of<Model>(shape) + "\n\n" + step + '\n' +
                           fauna::to_text(plan_of<Model>(shape)));
  const fauna::Shape sequences{.sequences = shape.sequences, .context = context};
  fauna::print(stdout, '\n' + fauna::cache_text<Model>(sequences));
  if constexpr (adapted<Model>)
    if (!s.quantize.empty())
      fauna::print(stdout, "\nunder the adapters, in a file in " + s.quantize +
                               ", read from there: " + fauna::grouped(bytes_in_file<Model>(s.quantize)) + " bytes\n");
#ifdef FAUNA_STORAGE
  const std::size_t bytes = fauna::bytes_in_blocks<Model, Backend>(s.quantize);
  fauna::print(stdout,
               "\nmemory of inference, matrices in " + s.quantize + "\nweights " + fauna::grouped(bytes) + " bytes\n");
#endif
  return 0;
}

}  // namespace

int main(int n, char** arguments) { return tool::main_of(run, n, arguments); }
