// What the programs that train have in common.
#pragma once
#include <algorithm>
#include <string>
#include <vector>

#include <bench/support/peak.hpp>
#include <fauna/io/clock.hpp>
#include <fauna/io/json.hpp>
#include <fauna/io/process.hpp>
#include <fauna/train/options.hpp>
#include <fauna/train/report.hpp>
#include <fauna/train/schedule.hpp>
#include <tools/src/main.hpp>

namespace tool {

inline int threads_of(long asked) { return asked > 0 ? static_cast<int>(asked) : fauna::default_threads(); }

/// What a core can do at most, so that a rate has a measure: the best of a few short looks.
inline double peak_flops(bool bf16, int threads) {
  double best = 0;
  for (int i = 0; i < 10; ++i)
    best = std::max(best, bench::peak(bf16 ? bench::limit::bf16 : bench::limit::f32, threads, 2e-3));
  return best;
}

inline fauna::Schedule schedule(std::string const& name, double lr, double least, long warmup, long decay) {
  if (name == "constant") return fauna::Constant{.lr = lr, .warmup = warmup};
  if (name == "linear") return fauna::LinearDecay{lr, least, warmup, decay};
  if (name == "wsd") return fauna::Wsd{lr, least, warmup, decay};
  return fauna::Cosine{lr, least, warmup, decay};
}

/// OUT/summary.json. `parameters`: those that were trained.
template <class T>
void write_summary(std::string const& out, std::string const& dtype, T const& model, fauna::TrainReport const& r,
                   std::size_t parameters, double val_loss, std::string const& digest) {
  const auto string = [](std::string const& v) { return '"' + v + '"'; };
  const std::pair<const char*, std::string> rows[] = {{"val_loss", fauna::json_number(val_loss, 6)},
                                                      {"seconds", fauna::json_number(r.seconds, 3)},
                                                      {"iterations", std::to_string(r.iterations)},
                                                      {"parameters", std::to_string(parameters)},
                                                      {"dtype", string(dtype)},
                                                      {"threads", std::to_string(model.threads())},
                                                      {"tokens_per_second", fauna::json_number(r.tokens_per_second, 1)},
                                                      {"corpus_sha256", string(digest)},
                                                      {"planned_bytes", std::to_string(model.planned().total())},
                                                      {"peak_rss_bytes", std::to_string(fauna::peak_resident_bytes())},
                                                      {"isa", string(fauna::name_of(fauna::build_isa))}};
  std::string json = "{";
  for (auto const& [name, value] : rows)
    json += std::string(json.size() > 1 ? "," : "") + "\n  \"" + name + "\": " + value;
  fauna::write_file(out + "/summary.json", json + "\n}\n");
}

/// What is said at the end of a run that has left an adapter to `base` in `out`.
inline std::string adapter_text(long long updates, double seconds, bool of_best, std::string const& out,
                                std::string const& base, const char* best = "lowest validation loss") {
  return std::to_string(updates) + " updates in " + fauna::duration_text(seconds) + "; the adapter of " +
         (of_best ? "the " + std::string(best) : "the last update") + " is in " + out +
         ": adapter_config.json, adapter_model.safetensors\n  tools/fauna generate " + base + " --adapter " + out +
         " --prompt ...\n";
}

}  // namespace tool
