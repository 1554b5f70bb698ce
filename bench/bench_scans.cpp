// Recurrences alone, on one thread, in that thread's own processor time:
//   scan1           Mamba's scan, 512 rows of 1536 channels of 16 numbers, over a plain loop in turns with it
//   ssd             Mamba-2's, 512 rows of 24 heads of 64 columns and 128 states: share of the multiply-add peak, with
//                   2 T (Q N + Q H P + 2 N H P) FLOPs for chunks of Q = 64 rows
//   wkv7            RWKV-7's, 512 rows of 12 heads of 64: the same, with 10 N² H T FLOPs
//   scan_backward   backward over the forward pass of training, in turns: the worst of all scans
#include <benchmark/benchmark.h>

#include <cmath>
#include <memory>
#include <string>

#include <fauna/ops/recurrence/cpu.hpp>
#include <fauna/ops/scan/cpu.hpp>
#include <fauna/ops/ssd/cpu.hpp>
#include <fauna/ops/wkv4/cpu.hpp>
#include <fauna/ops/wkv6/cpu.hpp>
#include <fauna/ops/wkv7/cpu.hpp>

#include "support/peak.hpp"
#include "support/scratch.hpp"

using namespace fauna;

namespace {

using B = Cpu<>;
using bench::Numbers;
constexpr int T = 512, C = 768, N = 64, H = C / N;
const Batch rows = Batch::uniform(1, T);

struct Scan {
  static constexpr int E = 1536, S = 16;
  Numbers x{T, E, 1}, z{T, E, 2}, dt{T, E, 3, -5, 2}, b{T, S, 4}, c{T, S, 5}, A{S, E, 6, -16, 15}, D{1, E, 7},
      dout{T, E, 8}, y{T, E, 9}, h{T * S, E, 10}, dx{T, E, 11}, dz{dx}, ddt{dx}, db{T, S, 12}, dc{db}, dA{S, E, 13},
      dD{1, E, 14};
  bench::Scratch scratch{selective_scan<B>::workspace(T, E, S)};
  B back = scratch.on(1);
  ScanRows<const float> in() const { return {x.read(), z.read(), dt.read(), b.read(), c.read()}; }
  void infer() { selective_scan<B>::forward(back, rows, in(), A.read(), D.data(), {}, y.view(), {}); }
  void forward() { selective_scan<B>::forward(back, rows, in(), A.read(), D.data(), {}, y.view(), h.view()); }
  void backward() {
    selective_scan<B>::backward(back, rows, in(), A.read(), D.data(), {}, h.read(), dout.read(),
                                {dx.view(), dz.view(), ddt.view(), db.view(), dc.view()}, dA.view(), dD.data(), {});
  }
  /// The paper's loop as anybody writes it, with what `infer` makes beside it. As gcc -O3 compiles it.
#if defined(__GNUC__) && !defined(__clang__)
  __attribute__((optimize("O3")))
#endif
  void
  plain(Numbers& states) {
    states.clear();
    for (int t = 0; t < T; ++t)
      for (int e = 0; e < E; ++e) {
        const float pre = dt.read()(t, e), d = pre > 20 ? pre : std::log1p(std::exp(pre)), u = x.read()(t, e),
                    gate = z.read()(t, e);
        float sum = D.all[static_cast<std::size_t>(e)] * u;
        float* const state = states.data() + static_cast<std::ptrdiff_t>(e) * S;
        for (int n = 0; n < S; ++n) {
          state[n] = std::exp(d * A.read()(n, e)) * state[n] + d * u * b.read()(t, n);
          sum += state[n] * c.read()(t, n);
        }
        y.view()(t, e) = sum * gate / (1 + std::exp(-gate));
      }
  }
};

struct Ssd {
  static constexpr SsdSizes z{24, 64, 128, 1};
  static constexpr int E = z.heads * z.size;
  Numbers x{T, E, 1}, b{T, z.states, 2}, c{T, z.states, 3}, dt{T, z.heads, 4, -5, 4}, A_log{1, z.heads, 5},
      D{1, z.heads, 6}, bias{1, z.heads, 7}, dy{T, E, 8}, y{T, E, 9},
      kept{ssd_kept(T, 1) * z.heads * z.states, z.size, 10}, dx{x}, db{b}, dc{c}, ddt{dt}, dA{A_log}, dD{D},
      dbias{bias};
  bench::Scratch scratch{ssd<B>::workspace(z, T, 1, 1, true)};
  B back = scratch.on(1);
  SsdRows<const float> in() const { return {x.read(), b.read(), c.read(), dt.read()}; }
  SsdHeads<const float> heads() { return {A_log.data(), D.data(), bias.data()}; }
  void infer() { ssd<B>::forward(back, rows, z, in(), heads(), {}, y.view(), {}); }
  void forward() { ssd<B>::forward(back, rows, z, in(), heads(), {}, y.view(), kept.view()); }
  void backward() {
    ssd<B>::backward(back, rows, z, in(), heads(), kept.read(), dy.read(),
                     {dx.view(), db.view(), dc.view(), ddt.view()}, {dA.data(), dD.data(), dbias.data()}, {});
  }
};

struct Wkv4 {
  Numbers r{T, C, 1}, k{T, C, 2}, v{T, C, 3}, decay{1, C, 4, -5, 8}, first{1, C, 5}, dy{T, C, 6}, y{T, C, 7},
      kept{3 * T, C, 8}, dr{T, C, 9}, dk{dr}, dv{dr}, ddecay{1, C, 10}, dfirst{ddecay};
  B back = bench::one_thread();
  Wkv4Rows<const float> in() const { return {r.read(), k.read(), v.read()}; }
  void forward() { wkv4<B>::forward(back, rows, in(), decay.data(), first.data(), {}, y.view(), kept.view()); }
  void backward() {
    wkv4<B>::backward(back, rows, in(), decay.data(), first.data(), {}, kept.read(), dy.read(),
                      {dr.view(), dk.view(), dv.view()}, ddecay.data(), dfirst.data(), {});
  }
};

struct Wkv6 {
  Numbers r{T, C, 1}, k{T, C, 2}, v{T, C, 3}, d{T, C, 4, -6, 5}, u{1, C, 5}, dy{T, C, 6}, y{T, C, 7},
      kept{wkv7_kept(T, 1) * C, N, 8}, dr{T, C, 9}, dk{dr}, dv{dr}, dd{dr}, du{1, C, 10};
  bench::Scratch scratch{wkv6<B>::workspace(N, 1)};
  B back = scratch.on(1);
  Wkv6Rows<const float> in() const { return {r.read(), k.read(), v.read(), d.read()}; }
  void forward() { wkv6<B>::forward(back, rows, N, in(), u.data(), {}, y.view(), kept.view()); }
  void backward() {
    wkv6<B>::backward(back, rows, N, in(), u.data(), kept.read(), dy.read(),
                      {dr.view(), dk.view(), dv.view(), dd.view()}, du.data(), {});
  }
};

struct Wkv7 {
  Numbers r{T, C, 1}, w{T, C, 2, 0.55F, 0.45F}, k{T, C, 3}, v{T, C, 4}, a{T, C, 5, -0.1F, 0.2F},
      b{T, C, 6, -0.1F, 0.2F}, dy{T, C, 7}, y{T, C, 8}, kept{wkv7_kept(T, 1) * C, N, 9}, dr{T, C, 10}, dw{dr}, dk{dr},
      dv{dr}, da{dr}, db{dr};
  bench::Scratch scratch{wkv7<B>::workspace(N, 1)};
  B back = scratch.on(1);
  Wkv7Rows<const float> in() const { return {r.read(), w.read(), k.read(), v.read(), a.read(), b.read()}; }
  void infer() { wkv7<B>::forward(back, rows, N, in(), {}, y.view(), {}); }
  void forward() { wkv7<B>::forward(back, rows, N, in(), {}, y.view(), kept.view()); }
  void backward() {
    for (Numbers* d : {&dr, &dw, &dk, &dv, &da, &db}) d->clear();  // added to
    wkv7<B>::backward(back, rows, N, in(), kept.read(), dy.read(),
                      {dr.view(), dw.view(), dk.view(), dv.view(), da.view(), db.view()}, {});
  }
};

/// 12 heads of 64 keys and 64 values.
template <Recurrence R> struct Kin {
  static constexpr int F = R.fade == fades::by_key ? C : H;
  Numbers q{T, C, 1, 0, 0.125F}, k{T, C, 2, 0, 0.125F}, v{T, C, 3}, fade{T, F, 4, 0.5F, 0.5F}, beta{T, H, 5, 0, 1},
      fixed{1, H, 6, 0.9F, 0}, dy{T, C, 7}, y{T, C, 8}, kept{recurrence_kept(T, 1) * C, N, 9}, dq{q}, dk{k}, dv{v},
      dfade{fade}, dbeta{beta};
  const RecurrenceShape n{.heads = H, .key_heads = H, .keys = N, .values = N, .scale = 0.125F, .fixed = fixed.data()};
  bench::Scratch scratch{recurrence<R, B>::workspace(n, 1)};
  B back = scratch.on(1);
  RecurrenceRows<const float> in() const {
    return {q.read(), k.read(), v.read(), fade.read(), beta.read(), {}, {}, {}};
  }
  void forward() { recurrence<R, B>::forward(back, rows, n, in(), {}, y.view(), kept.view()); }
  void backward() {
    recurrence<R, B>::backward(back, rows, n, in(), kept.read(), dy.read(),
                               {dq.view(), dk.view(), dv.view(), dfade.view(), dbeta.view(), {}, {}, {}}, {});
  }
};

void scan1(benchmark::State& state) {
  const auto s = std::make_unique<Scan>();
  Numbers states(Scan::E, Scan::S, 1);
  std::vector<double> mine, theirs, ratios;
  for (auto _ : state)
    for (int i = 0; i < 9; ++i) {
      mine.push_back(bench::thread_seconds([&] { s->infer(); }));
      theirs.push_back(bench::thread_seconds([&] { s->plain(states); }));
      ratios.push_back(theirs.back() / mine.back());
    }
  state.counters["seconds"] = bench::median(mine);
  state.counters["peer_seconds"] = bench::median(theirs);
  state.counters["ratio"] = bench::median(ratios);
  state.SetLabel("plain loop, std::exp, -O3");
}
BENCHMARK(scan1)->Iterations(1);

template <class S> void share(benchmark::State& state, double flops) {
  const auto s = std::make_unique<S>();
  for (auto _ : state) {
    const bench::Share r = bench::thread_share(flops, [&] { s->infer(); });
    state.counters["share"] = r.share;
    state.counters["GFLOP/s"] = r.rate * 1e-9;
  }
}
void share_ssd(benchmark::State& state) {
  share<Ssd>(state, 2.0 * T * (ssd_chunk * Ssd::z.states + ssd_chunk * Ssd::E + 2.0 * Ssd::z.states * Ssd::E));
}
void share_wkv7(benchmark::State& state) { share<Wkv7>(state, 10.0 * N * N * H * T); }
BENCHMARK(share_ssd)->Name("ssd")->Iterations(1);
BENCHMARK(share_wkv7)->Name("wkv7")->Iterations(1);

template <class S> double backward_over_forward(benchmark::State& state, const char* name) {
  const auto s = std::make_unique<S>();
  s->forward();
  std::vector<double> ratios;
  for (int i = 0; i < 9; ++i) {
    const double before = bench::thread_seconds([&] { s->forward(); }),
                 back = bench::thread_seconds([&] { s->backward(); });
    ratios.push_back(back / (0.5 * (before + bench::thread_seconds([&] { s->forward(); }))));
  }
  state.counters[name] = bench::median(ratios);
  return bench::median(ratios);
}
void scan_backward(benchmark::State& state) {
  double worst = 0;
  const auto see = [&](double ratio) { worst = ratio > worst ? ratio : worst; };
  for (auto _ : state) {
    see(backward_over_forward<Scan>(state, "mamba"));
    see(backward_over_forward<Ssd>(state, "mamba2"));
    see(backward_over_forward<Wkv4>(state, "wkv4"));
    see(backward_over_forward<Wkv6>(state, "wkv6"));
    see(backward_over_forward<Wkv7>(state, "wkv7"));
    see(backward_over_forward<Kin<Recurrence{.fade = fades::fixed}>>(state, "retention"));
    see(backward_over_forward<Kin<Recurrence{.fade = fades::by_key}>>(state, "gla"));
    see(backward_over_forward<Kin<Recurrence{.fade = fades::by_head, .erase = erases::delta, .strength = true}>>(
        state, "gated_delta"));
    see(backward_over_forward<Kin<Recurrence{.fade = fades::by_key, .erase = erases::delta, .strength = true}>>(state,
                                                                                                                "kda"));
  }
  state.counters["cost"] = worst;
}
BENCHMARK(scan_backward)->Iterations(1);

}  // namespace

BENCHMARK_MAIN();
