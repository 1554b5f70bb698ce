// Recurrences alone, 512 rows on one thread: Mamba's scan at the channels of mamba-130m (1536 of 16 numbers), those of
// RWKV-4 to 7 at the width of their smallest models (768 columns; heads of 64). ns_per_token is what a row takes; share
// is that of the multiply-add peak, measured beside it in the same run (support/peak.hpp), with additions and products
// counted, not exponentials: scan 9 E N a row, wkv4 16 C, wkv6 5 N² H, wkv7 10 N² H; backward three times that.
#include <benchmark/benchmark.h>

#include <cstdlib>
#include <fauna/core/rng.hpp>
#include <fauna/ops/scan/cpu.hpp>
#include <fauna/ops/wkv4/cpu.hpp>
#include <fauna/ops/wkv6/cpu.hpp>
#include <fauna/ops/wkv7/cpu.hpp>
#include <vector>

#include "support/peak.hpp"

using namespace fauna;

namespace {

using B = Cpu<>;
constexpr int T = 512, C = 768, N = 64, H = C / N, E = 1536, S = 16;

/// Uniform in [from, from + range), as a matrix that owns its numbers.
struct Numbers {
  int rows, cols;
  std::vector<float> all;
  Numbers(int rows_, int cols_, std::uint64_t stream, float from = -1, float range = 2)
      : rows(rows_), cols(cols_), all(static_cast<std::size_t>(rows_) * static_cast<std::size_t>(cols_)) {
    const Key key{1, stream};
    for (std::size_t i = 0; i < all.size(); ++i) all[i] = key.uniform(i) * range + from;
  }
  Matrix<float> view() { return Matrix<float>(all.data(), rows, cols); }
  Matrix<const float> read() const { return Matrix<const float>(all.data(), rows, cols); }
};

/// Runs f(backend, whether backward), which takes `workspace` bytes of scratch.
template <class F> void measure(benchmark::State& state, std::size_t workspace, double flops_per_token, F&& f) {
  const bool backward = state.range(0) != 0;
  void* const memory = std::aligned_alloc(alignment, aligned(workspace + 1));
  Arena arena(memory, aligned(workspace + 1));
  B b;
  b.threads = 1;
  b.scratch = &arena;
  f(b, false);  // what backward reads
  for (auto _ : state) f(b, backward);
  const double flops = flops_per_token * T * (backward ? 3 : 1);
  const bench::Share s = bench::share_of_peak(
      bench::limit::f32, 1, flops, [&] { f(b, backward); }, 15, 10);
  state.counters["share"] = s.share;
  state.counters["clean"] = s.clean;
  state.counters["ns_per_token"] = s.rate > 0 ? flops / s.rate / T * 1e9 : 0;
  std::free(memory);
}

const Batch rows = Batch::uniform(1, T);

void scan(benchmark::State& state) {
  const Numbers x(T, E, 1), z(T, E, 2), dt(T, E, 3, -5, 2), b(T, S, 4), c(T, S, 5), A(S, E, 6, -16, 15), D(1, E, 7),
      dout(T, E, 8);
  Numbers y(T, E, 9), h(T * S, E, 10), dx(T, E, 11), dz(dx), ddt(dx), db(T, S, 12), dc(db), dA(S, E, 13), dD(1, E, 14);
  const ScanRows<const float> in{x.read(), z.read(), dt.read(), b.read(), c.read()};
  measure(state, selective_scan<B>::workspace(T, E, S), 9.0 * E * S, [&](B const& back, bool backward) {
    if (backward)
      selective_scan<B>::backward(back, rows, in, A.read(), D.all.data(), {}, h.read(), dout.read(),
                                  {dx.view(), dz.view(), ddt.view(), db.view(), dc.view()}, dA.view(), dD.all.data(),
                                  {});
    else selective_scan<B>::forward(back, rows, in, A.read(), D.all.data(), {}, y.view(), h.view());
  });
}

void wkv_4(benchmark::State& state) {
  const Numbers r(T, C, 1), k(T, C, 2), v(T, C, 3), decay(1, C, 4, -5, 8), first(1, C, 5), dy(T, C, 6);
  Numbers y(T, C, 7), kept(3 * T, C, 8), dr(T, C, 9), dk(dr), dv(dr), ddecay(1, C, 10), dfirst(ddecay);
  const Wkv4Rows<const float> in{r.read(), k.read(), v.read()};
  measure(state, 0, 16.0 * C, [&](B const& b, bool backward) {
    if (backward)
      wkv4<B>::backward(b, rows, in, decay.all.data(), first.all.data(), {}, kept.read(), dy.read(),
                        {dr.view(), dk.view(), dv.view()}, ddecay.all.data(), dfirst.all.data(), {});
    else wkv4<B>::forward(b, rows, in, decay.all.data(), first.all.data(), {}, y.view(), kept.view());
  });
}

void wkv_6(benchmark::State& state) {
  const Numbers r(T, C, 1), k(T, C, 2), v(T, C, 3), d(T, C, 4, -6, 5), u(1, C, 5), dy(T, C, 6);
  Numbers y(T, C, 7), kept(wkv7_kept(T, 1) * C, N, 8), dr(T, C, 9), dk(dr), dv(dr), dd(dr), du(1, C, 10);
  const Wkv6Rows<const float> in{r.read(), k.read(), v.read(), d.read()};
  measure(state, wkv6<B>::workspace(N, 1), 5.0 * N * N * H, [&](B const& b, bool backward) {
    if (backward)
      wkv6<B>::backward(b, rows, N, in, u.all.data(), kept.read(), dy.read(),
                        {dr.view(), dk.view(), dv.view(), dd.view()}, du.all.data(), {});
    else wkv6<B>::forward(b, rows, N, in, u.all.data(), {}, y.view(), kept.view());
  });
}

void wkv_7(benchmark::State& state) {
  const Numbers r(T, C, 1), w(T, C, 2, 0.55F, 0.45F), k(T, C, 3), v(T, C, 4), a(T, C, 5, -0.1F, 0.2F),
      b_(T, C, 6, -0.1F, 0.2F), dy(T, C, 7);
  Numbers y(T, C, 8), kept(wkv7_kept(T, 1) * C, N, 9), dr(T, C, 10), dw(dr), dk(dr), dv(dr), da(dr), db(dr);
  const Wkv7Rows<const float> in{r.read(), w.read(), k.read(), v.read(), a.read(), b_.read()};
  measure(state, wkv7<B>::workspace(N, 1), 10.0 * N * N * H, [&](B const& b, bool backward) {
    if (backward)
      wkv7<B>::backward(b, rows, N, in, kept.read(), dy.read(),
                        {dr.view(), dw.view(), dk.view(), dv.view(), da.view(), db.view()}, {});
    else wkv7<B>::forward(b, rows, N, in, {}, y.view(), kept.view());
  });
}

}  // namespace

BENCHMARK(scan)->Arg(0)->Arg(1)->UseRealTime();
BENCHMARK(wkv_4)->Arg(0)->Arg(1)->UseRealTime();
BENCHMARK(wkv_6)->Arg(0)->Arg(1)->UseRealTime();
BENCHMARK(wkv_7)->Arg(0)->Arg(1)->UseRealTime();

BENCHMARK_MAIN();
