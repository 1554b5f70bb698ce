// One token behind a long context, f32: Mamba-2-130m and RWKV-7-191m, whose state has one size, over an attention model
// (12 layers of 768 columns, 12 heads with keys and values of their own, GPT-2's vocabulary), in turns.
//   recurrent_decode_16k, recurrent_decode_32k   the lower of the two ratios; how near the bandwidth of memory each
//   model
//                   came in the same run stands beside it. Counted are weights once (a table that is no head not),
//                   the cache, and a recurrent state twice, read and written
#include <benchmark/benchmark.h>

#include <algorithm>
#include <memory>
#include <vector>

#include <fauna/models/gpt.hpp>
#include <fauna/models/mamba2.hpp>
#include <fauna/models/rwkv7.hpp>

#include "support/bandwidth.hpp"
#include "support/behind.hpp"
#include "support/peak.hpp"

using namespace fauna;
using bench::median;

namespace {

constexpr int steps = bench::steps;
using Attention = Gpt<GptConfig{.context = 32768 + steps}>;

template <class M> constexpr double state_bytes_of(int context) {
  return static_cast<double>(state_bytes<M, float>({.sequences = 1, .context = context}));
}

void decode(benchmark::State& state, int context) {
  const auto attention = std::make_unique<bench::Behind<Attention>>(context);
  const auto mamba = std::make_unique<bench::Behind<Mamba2_130M>>(context);
  const auto rwkv = std::make_unique<bench::Behind<Rwkv7_191M>>(context);
  const double of_attention = 4.0 * (static_cast<double>(Attention::parameters) - 768.0 * (32768 + steps)) +
                              12 * 2 * 768 * 4.0 * context,
               of_mamba = 4.0 * static_cast<double>(Mamba2_130M::parameters) + 2 * state_bytes_of<Mamba2_130M>(1),
               of_rwkv = 4.0 * (static_cast<double>(Rwkv7_191M::parameters) - 768.0 * 65536) +
                         2 * state_bytes_of<Rwkv7_191M>(1);
  const Region memory(std::size_t{512} << 20);
  auto* const data = static_cast<float*>(memory.data());
  for (std::size_t i = 0; i < memory.bytes() / sizeof(float); i += 16) data[i] = 1;
  const auto bandwidth = [&] { return bench::read_bandwidth(data, memory.bytes() / 4, default_threads(), 2); };
  std::vector<double> mine, theirs, mamba_ratios, rwkv_ratios, shares[3];
  attention->step(), mamba->step(), rwkv->step();
  for (auto _ : state)
    for (int i = 0; i < 11; ++i) {
      const double before = bandwidth(), a = attention->step(), m = mamba->step(), r = rwkv->step(),
                   limit = std::max(before, bandwidth());
      mine.push_back(std::max(m, r));
      theirs.push_back(a);
      mamba_ratios.push_back(a / m);
      rwkv_ratios.push_back(a / r);
      shares[0].push_back(of_attention / a / limit);
      shares[1].push_back(of_mamba / m / limit);
      shares[2].push_back(of_rwkv / r / limit);
    }
  state.counters["tokens/s"] = 1 / median(mine);
  state.counters["peer tokens/s"] = 1 / median(theirs);
  state.counters["ratio"] = std::min(median(mamba_ratios), median(rwkv_ratios));
  state.counters["mamba2"] = median(mamba_ratios);
  state.counters["rwkv7"] = median(rwkv_ratios);
  state.counters["attention of bandwidth"] = median(shares[0]);
  state.counters["mamba2 of bandwidth"] = median(shares[1]);
  state.counters["rwkv7 of bandwidth"] = median(shares[2]);
  state.SetLabel("our attention model");
}
BENCHMARK_CAPTURE(decode, 16k, 16384)->Name("recurrent_decode_16k")->Iterations(1);
BENCHMARK_CAPTURE(decode, 32k, 32768)->Name("recurrent_decode_32k")->Iterations(1);

}  // namespace

BENCHMARK_MAIN();
