// Every op besides gemm and attention at the shapes of the nanoGPT CPU model (768 rows of 128, vocabulary 65, 804,096
// parameters), of GPT-2 124M (256 rows of 768, vocabulary 50257) and of SmolLM2-135M (512 rows of 576, 1536 hidden, 9
// and 3 heads of 64; one row when decoding). bytes_per_second counts what an op must read and
// write at least once; cross-entropy counts the FLOPs of its three products.
#include <benchmark/benchmark.h>

#include <fauna/ops/activation/cpu.hpp>
#include <fauna/ops/adamw/cpu.hpp>
#include <fauna/ops/add/cpu.hpp>
#include <fauna/ops/affine/cpu.hpp>
#include <fauna/ops/clip/cpu.hpp>
#include <fauna/ops/cross_entropy/cpu.hpp>
#include <fauna/ops/dropout/cpu.hpp>
#include <fauna/ops/embedding/cpu.hpp>
#include <fauna/ops/gated/cpu.hpp>
#include <fauna/ops/layer_norm/cpu.hpp>
#include <fauna/ops/magnitude/cpu.hpp>
#include <fauna/ops/prefix_attention/cpu.hpp>
#include <fauna/ops/rms_norm/cpu.hpp>
#include <fauna/ops/rope/cpu.hpp>
#include <fauna/ops/sgd/cpu.hpp>
#include <vector>

#include "support/memory.hpp"

using namespace fauna;

namespace {

/// Uniform in [-1, 1).
std::vector<float> random(std::size_t n, std::uint64_t stream) {
  std::vector<float> v(n);
  const Key key{1, stream};
  for (std::size_t i = 0; i < n; ++i) v[i] = key.uniform(i) * 2 - 1;
  return v;
}
std::vector<float> random(int rows, int cols, std::uint64_t stream) {
  return random(static_cast<std::size_t>(rows) * static_cast<std::size_t>(cols), stream);
}
std::vector<int> ids(int rows, int vocab) {
  std::vector<int> v;
  for (int r = 0; r < rows; ++r)
    v.push_back(static_cast<int>(Key{2, 3}.word(static_cast<std::uint64_t>(r)) % static_cast<unsigned>(vocab)));
  return v;
}

using B = Cpu<>;
B backend(Arena& arena) {
  B b;
  b.threads = default_threads();
  b.scratch = &arena;
  return b;
}

void bytes(benchmark::State& state, double floats) {
  state.SetBytesProcessed(static_cast<std::int64_t>(static_cast<double>(state.iterations()) * floats * 4));
}

void add_rows(benchmark::State& state) {
  const int rows = static_cast<int>(state.range(0)), cols = static_cast<int>(state.range(1));
  Memory memory(0);
  const B b = backend(memory.arena);
  auto x = random(rows, cols, 1), y = random(rows, cols, 2);
  for (auto _ : state)
    add<B>::run(b, Matrix<const float>(x.data(), rows, cols), Matrix<const float>(y.data(), rows, cols),
                Matrix<float>(y.data(), rows, cols));
  bytes(state, 3.0 * rows * cols);
}

void add_column_sums(benchmark::State& state) {
  const int rows = static_cast<int>(state.range(0)), cols = static_cast<int>(state.range(1));
  Memory memory(0);
  const B b = backend(memory.arena);
  auto x = random(rows, cols, 1), sums = random(1, cols, 2);
  for (auto _ : state) add<B>::column_sums(b, Matrix<const float>(x.data(), rows, cols), sums.data());
  bytes(state, 1.0 * rows * cols);
}

// What stands beside layers that are fine-tuned: AdapterV2's factors and shifts, DoRA's magnitudes, LLaMA-Adapter's
// prefix of 10 rows.
void affine_backward(benchmark::State& state) {
  const int rows = static_cast<int>(state.range(0)), cols = static_cast<int>(state.range(1));
  Memory memory(0);
  const B b = backend(memory.arena);
  auto z = random(rows, cols, 1), dy = random(rows, cols, 2), w = random(2, cols, 3), dw = random(2, cols, 4);
  for (auto _ : state)
    affine<B>::backward(b, Matrix<const float>(z.data(), rows, cols), w.data(), w.data() + cols,
                        Matrix<const float>(dy.data(), rows, cols), Matrix<float>(dy.data(), rows, cols), dw.data(),
                        dw.data() + cols);
  bytes(state, 3.0 * rows * cols);
}
void magnitude_backward(benchmark::State& state) {
  const int rows = static_cast<int>(state.range(0)), cols = static_cast<int>(state.range(1));
  Memory memory(0);
  const B b = backend(memory.arena);
  auto z = random(rows, cols, 1), dy = random(rows, cols, 2), w = random(2, cols, 3), dm = random(1, cols, 4);
  for (auto _ : state)
    magnitude<B>::backward(b, Matrix<const float>(z.data(), rows, cols), w.data(), w.data() + cols,
                           Matrix<const float>(dy.data(), rows, cols), Matrix<float>(z.data(), rows, cols), dm.data());
  bytes(state, 3.0 * rows * cols);
}
template <bool Backward> void prefix_of_10(benchmark::State& state) {
  constexpr int K = 10, D = 64;
  const int rows = static_cast<int>(state.range(0)), heads = static_cast<int>(state.range(1)),
            kv_heads = static_cast<int>(state.range(2)), width = heads * D, kv = kv_heads * D;
  Memory memory(0);
  const B b = backend(memory.arena);
  const PrefixShape shape{.heads = heads, .kv_heads = kv_heads, .scale = 0.125};
  auto q = random(rows, width, 1), y = random(rows, width, 2), dq = random(rows, width, 3), k = random(2 * K, kv, 4),
       dk = random(2 * K, kv, 5), gate = random(2, heads, 6);
  const auto prefix = [kv](auto& all, int part) { return Matrix<float>(all.data() + part * K * kv, K, kv); };
  const Matrix<float> rows_of_y(y.data(), rows, width);
  for (auto _ : state)
    if constexpr (Backward)
      prefix_attention<B>::backward<K>(b, shape, Matrix<const float>(q.data(), rows, width), prefix(k, 0), prefix(k, 1),
                                       gate.data(), rows_of_y, Matrix<float>(dq.data(), rows, width), prefix(dk, 0),
                                       prefix(dk, 1), gate.data() + heads);
    else
      prefix_attention<B>::forward<K>(b, shape, Matrix<const float>(q.data(), rows, width), prefix(k, 0), prefix(k, 1),
                                      gate.data(), rows_of_y, rows_of_y);
  bytes(state, (Backward ? 4.0 : 3.0) * rows * width);
}

void layer_norm_forward(benchmark::State& state) {
  const int rows = static_cast<int>(state.range(0)), cols = static_cast<int>(state.range(1));
  Memory memory(layer_norm<B>::workspace(rows, cols, default_threads()));
  const B b = backend(memory.arena);
  auto x = random(rows, cols, 1), w = random(1, cols, 2), y = x, mean = random(1, rows, 3), rstd = mean;
  for (auto _ : state)
    layer_norm<B>::forward(b, Matrix<const float>(x.data(), rows, cols), w.data(), nullptr,
                           Matrix<float>(y.data(), rows, cols), mean.data(), rstd.data(), 1e-5);
  bytes(state, 2.0 * rows * cols);
}

void layer_norm_backward(benchmark::State& state) {
  const int rows = static_cast<int>(state.range(0)), cols = static_cast<int>(state.range(1));
  Memory memory(layer_norm<B>::workspace(rows, cols, default_threads()));
  const B b = backend(memory.arena);
  auto x = random(rows, cols, 1), w = random(1, cols, 2), dy = random(rows, cols, 4), dx = random(rows, cols, 5),
       dw = w, mean = random(1, rows, 3), rstd = mean;
  for (auto _ : state)
    layer_norm<B>::backward(b, Matrix<const float>(x.data(), rows, cols), w.data(), mean.data(), rstd.data(),
                            Matrix<const float>(dy.data(), rows, cols), Matrix<float>(dy.data(), rows, cols),
                            Matrix<const float>(dx.data(), rows, cols), dw.data(), nullptr);
  bytes(state, 4.0 * rows * cols);
}

void rms_norm_forward(benchmark::State& state) {
  const int rows = static_cast<int>(state.range(0)), cols = static_cast<int>(state.range(1));
  Memory memory(rms_norm<B>::workspace(rows, cols, default_threads()));
  const B b = backend(memory.arena);
  auto x = random(rows, cols, 1), w = random(1, cols, 2), y = x, rstd = random(1, rows, 3);
  for (auto _ : state)
    rms_norm<B>::forward(b, Matrix<const float>(x.data(), rows, cols), w.data(), 0, Matrix<float>(y.data(), rows, cols),
                         rstd.data(), 1e-5);
  bytes(state, 2.0 * rows * cols);
}

void rms_norm_backward(benchmark::State& state) {
  const int rows = static_cast<int>(state.range(0)), cols = static_cast<int>(state.range(1));
  Memory memory(rms_norm<B>::workspace(rows, cols, default_threads()));
  const B b = backend(memory.arena);
  auto x = random(rows, cols, 1), w = random(1, cols, 2), dy = random(rows, cols, 4), dx = random(rows, cols, 5),
       dw = w, rstd = random(1, rows, 3);
  for (auto _ : state)
    rms_norm<B>::backward(b, Matrix<const float>(x.data(), rows, cols), w.data(), 0, rstd.data(),
                          Matrix<const float>(dy.data(), rows, cols), Matrix<float>(dy.data(), rows, cols),
                          Matrix<const float>(dx.data(), rows, cols), dw.data());
  bytes(state, 4.0 * rows * cols);
}

void activation_forward(benchmark::State& state) {
  const int rows = static_cast<int>(state.range(0)), cols = static_cast<int>(state.range(1));
  const auto kind = static_cast<activation>(state.range(2));
  Memory memory(0);
  const B b = backend(memory.arena);
  auto x = random(rows, cols, 1), y = x;
  for (auto _ : state)
    activate<B>::forward(b, kind, Matrix<const float>(x.data(), rows, cols), Matrix<float>(y.data(), rows, cols));
  bytes(state, 2.0 * rows * cols);
}

void activation_backward(benchmark::State& state) {
  const int rows = static_cast<int>(state.range(0)), cols = static_cast<int>(state.range(1));
  const auto kind = static_cast<activation>(state.range(2));
  Memory memory(0);
  const B b = backend(memory.arena);
  auto x = random(rows, cols, 1), dy = random(rows, cols, 2), dx = dy;
  for (auto _ : state)
    activate<B>::backward(b, kind, Matrix<const float>(x.data(), rows, cols),
                          Matrix<const float>(dy.data(), rows, cols), Matrix<float>(dx.data(), rows, cols));
  bytes(state, 3.0 * rows * cols);
}

void gated_forward(benchmark::State& state) {
  const int rows = static_cast<int>(state.range(0)), cols = static_cast<int>(state.range(1));
  Memory memory(0);
  const B b = backend(memory.arena);
  auto x = random(rows, 2 * cols, 1), y = random(rows, cols, 2);
  for (auto _ : state)
    gated<B>::forward(b, activation::silu, Matrix<const float>(x.data(), rows, 2 * cols),
                      Matrix<float>(y.data(), rows, cols));
  bytes(state, 3.0 * rows * cols);
}

void gated_backward(benchmark::State& state) {
  const int rows = static_cast<int>(state.range(0)), cols = static_cast<int>(state.range(1));
  Memory memory(0);
  const B b = backend(memory.arena);
  auto x = random(rows, 2 * cols, 1), dy = random(rows, cols, 2), dx = x;
  for (auto _ : state)
    gated<B>::backward(b, activation::silu, Matrix<const float>(x.data(), rows, 2 * cols),
                       Matrix<const float>(dy.data(), rows, cols), Matrix<float>(dx.data(), rows, 2 * cols));
  bytes(state, 5.0 * rows * cols);
}

/// In place, as between the projections and attention.
void rope_rotate(benchmark::State& state) {
  const int rows = static_cast<int>(state.range(0)), heads = static_cast<int>(state.range(1)), size = 64;
  static constexpr auto frequencies = rope_frequencies<size / 2>({});
  const Rotation how{heads, size, size, static_cast<rope_pairs>(state.range(2)), frequencies.of};
  Memory memory(0);
  const B b = backend(memory.arena);
  auto x = random(rows, heads * size, 1);
  const Batch batch = Batch::uniform(1, rows);
  for (auto _ : state)
    rope<B>::forward(b, batch, how, Matrix<const float>(x.data(), rows, heads * size),
                     Matrix<float>(x.data(), rows, heads * size));
  bytes(state, 2.0 * rows * heads * size);
}

void embedding_forward(benchmark::State& state) {
  const int rows = static_cast<int>(state.range(0)), cols = static_cast<int>(state.range(1)),
            vocab = static_cast<int>(state.range(2));
  Memory memory(0);
  const B b = backend(memory.arena);
  auto table = random(vocab, cols, 1), y = random(rows, cols, 2);
  const auto id = ids(rows, vocab);
  for (auto _ : state)
    embedding<B>::forward(b, id.data(), Matrix<const float>(table.data(), vocab, cols), {},
                          Matrix<float>(y.data(), rows, cols));
  bytes(state, 2.0 * rows * cols);
}

void embedding_backward(benchmark::State& state) {
  const int rows = static_cast<int>(state.range(0)), cols = static_cast<int>(state.range(1)),
            vocab = static_cast<int>(state.range(2));
  Memory memory(0);
  const B b = backend(memory.arena);
  auto table = random(vocab, cols, 1), dy = random(rows, cols, 2);
  const auto id = ids(rows, vocab);
  for (auto _ : state)
    embedding<B>::backward(b, id.data(), Matrix<const float>(dy.data(), rows, cols),
                           Matrix<float>(table.data(), vocab, cols));
  bytes(state, 3.0 * rows * cols);
}

void dropout_apply(benchmark::State& state) {
  const int rows = static_cast<int>(state.range(0)), cols = static_cast<int>(state.range(1));
  Memory memory(0);
  const B b = backend(memory.arena);
  auto x = random(rows, cols, 1), y = x;
  for (auto _ : state)
    dropout<B>::apply(b, Key{1, 2}, 0.1F, Matrix<const float>(x.data(), rows, cols), {},
                      Matrix<float>(y.data(), rows, cols));
  bytes(state, 2.0 * rows * cols);
}

template <class P> void cross_entropy_step(benchmark::State& state) {
  using C = Cpu<P>;
  const int rows = static_cast<int>(state.range(0)), cols = static_cast<int>(state.range(1)),
            vocab = static_cast<int>(state.range(2));
  Memory memory(cross_entropy<C>::workspace(rows, cols, vocab, default_threads()));
  C b;
  b.threads = default_threads();
  b.scratch = &memory.arena;
  auto x = random(rows, cols, 1), w = random(vocab, cols, 2), dx = x, dw = w, losses = random(1, rows, 3);
  const auto targets = ids(rows, vocab);
  for (auto _ : state)
    cross_entropy<C>::loss_and_gradient(
        b, Matrix<const float>(x.data(), rows, cols), Matrix<const float>(w.data(), vocab, cols), nullptr,
        targets.data(), -1, 1.0F / static_cast<float>(rows), losses.data(), Matrix<float>(dx.data(), rows, cols),
        Matrix<float>(dw.data(), vocab, cols), nullptr);
  state.counters["FLOPs"] = benchmark::Counter(6.0 * rows * cols * vocab * static_cast<double>(state.iterations()),
                                               benchmark::Counter::kIsRate);
}

/// `tensors` segments that share `size` parameters.
struct Parameters {
  std::vector<float> value, gradient, m, v;
  std::vector<Segment<float>> segments;
  Parameters(std::size_t size, std::size_t tensors)
      : value(random(size, 1)), gradient(random(size, 2)), m(size), v(size) {
    for (std::size_t i = 0; i < tensors; ++i) {
      const std::size_t from = size * i / tensors, to = size * (i + 1) / tensors;
      segments.push_back({&value[from], &gradient[from], &m[from], &v[from], to - from, 0.1F});
    }
  }
};

void adamw_update(benchmark::State& state) {
  Parameters p(static_cast<std::size_t>(state.range(0)), static_cast<std::size_t>(state.range(1)));
  Memory memory(0);
  const B b = backend(memory.arena);
  AdamWStep step{.gradient_scale = 0.5, .clear_gradient = state.range(2) != 0};
  for (auto _ : state) {
    adamw<B>::step(b, p.segments.data(), static_cast<int>(p.segments.size()), step);
    ++step.step;
  }
  bytes(state, (state.range(2) != 0 ? 8.0 : 7.0) * static_cast<double>(state.range(0)));
}

void sgd_update(benchmark::State& state) {
  Parameters p(static_cast<std::size_t>(state.range(0)), static_cast<std::size_t>(state.range(1)));
  Memory memory(0);
  const B b = backend(memory.arena);
  for (auto _ : state)
    sgd<B>::step(b, p.segments.data(), static_cast<int>(p.segments.size()), {.lr = 1e-6, .momentum = 0.9});
  bytes(state, 5.0 * static_cast<double>(state.range(0)));
}

void clip_norm(benchmark::State& state) {
  Parameters p(static_cast<std::size_t>(state.range(0)), static_cast<std::size_t>(state.range(1)));
  const int n = static_cast<int>(p.segments.size());
  Memory memory(clip<B>::workspace(p.segments.data(), n));
  const B b = backend(memory.arena);
  for (auto _ : state) benchmark::DoNotOptimize(clip<B>::global_norm(b, p.segments.data(), n));
  bytes(state, static_cast<double>(state.range(0)));
}

}  // namespace

BENCHMARK(add_rows)->Args({768, 128})->Args({256, 768})->Args({1, 768})->UseRealTime();
BENCHMARK(affine_backward)->Args({512, 576})->Args({512, 1536})->UseRealTime();
BENCHMARK(magnitude_backward)->Args({512, 576})->Args({512, 1536})->UseRealTime();
BENCHMARK(prefix_of_10<false>)->Args({512, 9, 3})->UseRealTime();
BENCHMARK(prefix_of_10<true>)->Args({512, 9, 3})->UseRealTime();
BENCHMARK(add_column_sums)->Args({768, 512})->Args({256, 3072})->UseRealTime();
BENCHMARK(layer_norm_forward)->Args({768, 128})->Args({256, 768})->UseRealTime();
BENCHMARK(layer_norm_backward)->Args({768, 128})->Args({256, 768})->UseRealTime();
BENCHMARK(rms_norm_forward)->Args({256, 768})->Args({512, 576})->Args({1, 576})->UseRealTime();
BENCHMARK(rms_norm_backward)->Args({256, 768})->Args({512, 576})->UseRealTime();
BENCHMARK(activation_forward)
    ->Args({768, 512, 1})
    ->Args({768, 512, 2})
    ->Args({768, 512, 3})
    ->Args({256, 3072, 1})
    ->UseRealTime();
BENCHMARK(activation_backward)
    ->Args({768, 512, 1})
    ->Args({768, 512, 2})
    ->Args({768, 512, 3})
    ->Args({256, 3072, 1})
    ->UseRealTime();
BENCHMARK(gated_forward)->Args({512, 1536})->Args({1, 1536})->UseRealTime();
BENCHMARK(gated_backward)->Args({512, 1536})->UseRealTime();
BENCHMARK(rope_rotate)->Args({512, 12, 0})->Args({512, 12, 1})->Args({1, 12, 0})->UseRealTime();
BENCHMARK(embedding_forward)->Args({768, 128, 65})->Args({256, 768, 50257})->UseRealTime();
BENCHMARK(embedding_backward)->Args({768, 128, 65})->Args({256, 768, 50257})->UseRealTime();
BENCHMARK(dropout_apply)->Args({768, 128})->Args({256, 768})->UseRealTime();
BENCHMARK_TEMPLATE(cross_entropy_step, f32_products)->Args({768, 128, 65})->Args({256, 768, 50257})->UseRealTime();
BENCHMARK_TEMPLATE(cross_entropy_step, bf16_products)->Args({768, 128, 65})->Args({256, 768, 50257})->UseRealTime();
BENCHMARK(adamw_update)
    ->Args({804096, 26, 0})
    ->Args({804096, 26, 1})
    ->Args({124439808, 148, 0})
    ->Args({124439808, 148, 1})
    ->UseRealTime();
BENCHMARK(sgd_update)->Args({804096, 26})->Args({124439808, 148})->UseRealTime();
BENCHMARK(clip_norm)->Args({804096, 26})->Args({124439808, 148})->UseRealTime();

BENCHMARK_MAIN();
