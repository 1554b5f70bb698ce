// The CPU policy, and the one parallel loop of the library: the only OpenMP pragmas are here. Without OpenMP the same
// code runs on one thread and gives the same bits.
#pragma once
#ifdef _OPENMP
#include <omp.h>
#endif

#include <fauna/core/backend.hpp>
#include <fauna/core/dtype.hpp>

namespace fauna::inline v0 {

/// As many threads as the machine has processors; one without OpenMP.
template <unsigned Tag = build_tag> int default_threads() {
#ifdef _OPENMP
  return omp_get_num_procs();
#else
  return 1;
#endif
}

/// Tile picks the kernels' vector width (4, 8 or 16 floats); by default that of the build. A wider tile than the
/// build's still runs, through narrower instructions: so every tile is tested on every machine. Tag keeps kernels that
/// were compiled with different flags apart.
template <class Products = f32_products, isa Tile = build_isa, unsigned Tag = build_tag> struct Cpu {
  using scalar = float;
  using products = Products;
  static constexpr isa tile = Tile;
  static constexpr int lanes = Tile == isa::baseline ? 4 : Tile == isa::avx2 ? 8 : 16;
  int threads = default_threads<Tag>();
  Arena* scratch = nullptr;
};

/// What each member of a team sees inside `parallel`. Tagged, since a barrier is empty in a build without OpenMP.
template <unsigned Tag> struct TeamOf {
  int thread = 0, threads = 1;
  /// All threads arrive before any goes on.
  void barrier() const {
#ifdef _OPENMP
    if (threads > 1) {
#pragma omp barrier
    }
#endif
  }
  /// This thread's part [from, to) of n items, equal parts, in order.
  constexpr int from(int n) const { return static_cast<int>(static_cast<long long>(n) * thread / threads); }
  constexpr int to(int n) const { return static_cast<int>(static_cast<long long>(n) * (thread + 1) / threads); }
};
using Team = TeamOf<build_tag>;

/// Runs f(Team) once on each of `threads` threads.
template <class F> void parallel([[maybe_unused]] int threads, F&& f) {
#ifdef _OPENMP
  if (threads > 1) {
#pragma omp parallel num_threads(threads)
    f(Team{omp_get_thread_num(), omp_get_num_threads()});
    return;
  }
#endif
  f(Team{});
}

/// f(first, last) over [0, n) in one contiguous piece per thread. `grain`: the fewest items worth a thread of their
/// own.
template <class F> void parallel_for(int threads, int n, int grain, F&& f) {
  int t = grain > 0 ? n / grain : n;
  t = t < 1 ? 1 : t > threads ? threads : t;
  parallel(t, [&](Team team) { f(team.from(n), team.to(n)); });
}

/// A loop over [0, n) whose threads wait for each other no longer than `grain` items take: each goes through a piece of
/// its own, in order, and then helps with the others' (work stealing). No result may depend on who computes it.
template <unsigned Tag> class SharedLoopOf {
  using Team = TeamOf<Tag>;

 public:
  SharedLoopOf(Arena& scratch, int threads, int n, int grain)
      : next_(scratch.take<Cursor>(static_cast<std::size_t>(threads))), threads_(threads), n_(n), grain_(grain) {
    for (int t = 0; t < threads; ++t) next_[t].item = Team{t, threads}.from(n);
  }
  /// f(first, last) for what thread `team.thread` gets to do.
  template <class F> void run(Team team, F&& f) const {
    for (int i = 0; i < threads_; ++i) {
      const Team whose{(team.thread + i) % threads_, threads_};
      const int end = whose.to(n_);
      for (;;) {
        const int from = __atomic_fetch_add(&next_[whose.thread].item, grain_, __ATOMIC_RELAXED);
        if (from >= end) break;
        f(from, from + grain_ < end ? from + grain_ : end);
      }
    }
  }
  /// What it takes of the scratch.
  static constexpr std::size_t bytes(int threads) { return static_cast<std::size_t>(threads) * sizeof(Cursor); }

 private:
  struct alignas(alignment) Cursor {  // a cache line each
    int item;
  };
  Cursor* next_;
  int threads_, n_, grain_;
};
using SharedLoop = SharedLoopOf<build_tag>;

}  // namespace fauna::inline v0
