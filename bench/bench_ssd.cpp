// The recurrence of Mamba-2 and the norm behind it, at the shapes of mamba2-130m: 24 heads of 64 columns and 128
// states, one group. FLOP/s counts T (2 Q N + H (2 Q P + 4 N P)) for T rows in chunks of Q = 64, three times that with
// the backward pass; a row at a time 4 N P a head.
#include <benchmark/benchmark.h>

#include <fauna/core/rng.hpp>
#include <fauna/ops/gated_norm/cpu.hpp>
#include <fauna/ops/ssd/cpu.hpp>
#include <vector>

#include "support/memory.hpp"

using namespace fauna;

namespace {

using B = Cpu<>;
constexpr SsdSizes sizes{24, 64, 128, 1};

std::vector<float> random(std::size_t n, std::uint64_t stream, float scale = 1, float offset = 0) {
  std::vector<float> v(n);
  const Key key{1, stream};
  for (std::size_t i = 0; i < n; ++i) v[i] = (key.uniform(i) * 2 - 1) * scale + offset;
  return v;
}

struct Rows {
  int T, E = sizes.heads * sizes.size, N = sizes.states, H = sizes.heads;
  std::vector<float> x, b, c, dt, y, A_log, D, bias, state;
  explicit Rows(int t)
      : T(t),
        x(random(count(E), 1)),
        b(random(count(N), 2)),
        c(random(count(N), 3)),
        dt(random(count(H), 4, 2, -3)),
        y(x),
        A_log(random(static_cast<std::size_t>(H), 5, 1, 1)),
        D(random(static_cast<std::size_t>(H), 6)),
        bias(random(static_cast<std::size_t>(H), 7)),
        state(static_cast<std::size_t>(E) * static_cast<std::size_t>(N)) {}
  std::size_t count(int cols) const { return static_cast<std::size_t>(T) * static_cast<std::size_t>(cols); }
  template <class V> SsdRows<typename V::value_type> rows(V& x_, V& b_, V& c_, V& dt_) const {
    using M = Matrix<typename V::value_type>;
    return {M(x_.data(), T, E), M(b_.data(), T, N), M(c_.data(), T, N), M(dt_.data(), T, H)};
  }
  SsdRows<const float> in() {
    const auto r = rows(x, b, c, dt);
    return {r.x, r.b, r.c, r.dt};
  }
  SsdHeads<const float> heads() const { return {A_log.data(), D.data(), bias.data()}; }
};

void ssd_pass(benchmark::State& run) {
  Rows r(static_cast<int>(run.range(0)));
  const bool backward = run.range(1) != 0;
  B b;
  b.threads = static_cast<int>(run.range(2));
  Memory memory(ssd<B>::workspace(sizes, r.T, 1, b.threads, backward));
  b.scratch = &memory.arena;
  std::vector<float> kept(static_cast<std::size_t>(ssd_kept(r.T, 1)) * r.state.size());
  auto dx = r.x, db = r.b, dc = r.c, ddt = r.dt, dA = r.A_log, dD = r.D, dbias = r.bias;
  const Batch batch = Batch::uniform(1, r.T);
  const Matrix<float> y(r.y.data(), r.T, r.E), state(r.state.data(), r.H * r.N, sizes.size),
      saved(kept.data(), ssd_kept(r.T, 1) * r.H * r.N, sizes.size);
  for (auto _ : run) {
    ssd<B>::forward(b, batch, sizes, r.in(), r.heads(), state, y, backward ? saved : Matrix<float>());
    if (backward)
      ssd<B>::backward(b, batch, sizes, r.in(), r.heads(), saved, y, r.rows(dx, db, dc, ddt),
                       {dA.data(), dD.data(), dbias.data()}, {});
  }
  const double Q = ssd_chunk, H = r.H, P = sizes.size, N = r.N, T = r.T;
  const double flops = r.T < ssd_stepped ? T * H * 4 * N * P : T * (2 * Q * N + H * (2 * Q * P + 4 * N * P));
  run.counters["FLOP/s"] =
      benchmark::Counter((backward ? 3 : 1) * flops, benchmark::Counter::kIsIterationInvariantRate);
}

void gated_norm_pass(benchmark::State& run) {
  Rows r(static_cast<int>(run.range(0)));
  const bool backward = run.range(1) != 0;
  B b;
  Memory memory(gated_norm<B>::workspace(r.T, r.E));
  b.scratch = &memory.arena;
  const auto z = random(r.x.size(), 8), weight = random(static_cast<std::size_t>(r.E), 9);
  auto dweight = weight, dy = r.x, dz = r.x;
  std::vector<float> rstd(static_cast<std::size_t>(r.T));
  const auto of = [&r](auto& v) { return Matrix<std::remove_pointer_t<decltype(v.data())>>(v.data(), r.T, r.E); };
  const Matrix<float> roots(rstd.data(), r.T, 1);
  const GatedNorm form{1, true};
  gated_norm<B>::forward(b, form, of(r.x), of(z), weight.data(), of(r.y), roots);
  for (auto _ : run) {
    if (backward)
      gated_norm<B>::backward(b, form, of(r.x), of(z), weight.data(), roots, of(r.y), of(dy), of(dz), dweight.data());
    else gated_norm<B>::forward(b, form, of(r.x), of(z), weight.data(), of(r.y), roots);
  }
  run.SetBytesProcessed(static_cast<std::int64_t>(static_cast<double>(run.iterations()) * (backward ? 20.0 : 12.0) *
                                                  static_cast<double>(r.x.size())));
}

}  // namespace

BENCHMARK(ssd_pass)->Args({512, 0, 1})->Args({512, 1, 1})->Args({1, 0, 1})->Args({512, 0, 2})->UseRealTime();
BENCHMARK(gated_norm_pass)->Args({512, 0})->Args({512, 1})->Args({1, 0})->UseRealTime();

BENCHMARK_MAIN();
