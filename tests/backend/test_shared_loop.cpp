// A loop that threads share: every item is done once, and nobody waits for a thread that is slow.
#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <fauna/backend/cpu.hpp>
#include <fauna/backend/memory.hpp>
#include <thread>
#include <vector>

namespace test_shared_loop {

using namespace fauna;

TEST_CASE("shared loop: every item once, in pieces of at most a grain") {
  for (int threads : {1, 2, 3, 5})
    for (int n : {0, 1, 2, 7, 16, 97})
      for (int grain : {1, 4, 100})
        for (int came : {1, threads}) {  // the system may give fewer threads than were asked for
          CAPTURE(threads);
          CAPTURE(n);
          CAPTURE(grain);
          CAPTURE(came);
          const Region memory(SharedLoop::bytes(threads));
          Arena scratch = memory.arena();
          const SharedLoop loop(scratch, threads, n, grain);
          std::vector<std::atomic<int>> times(static_cast<std::size_t>(n));
          std::atomic<bool> fits{true};
          parallel(came, [&](Team team) {
            loop.run(team, [&](int first, int last) {
              if (first >= last || last - first > grain || first < 0 || last > n) fits = false;
              for (int i = first; i < last; ++i) ++times[static_cast<std::size_t>(i)];
            });
          });
          CHECK(fits);
          CHECK(scratch.used() <= SharedLoop::bytes(threads));
          bool once = true;
          for (auto const& t : times) once = once && t == 1;
          CHECK(once);
        }
}

TEST_CASE("shared loop: one thread's first item waits until all others are done by the other thread") {
  constexpr int n = 40;
  const Region memory(SharedLoop::bytes(2));
  Arena scratch = memory.arena();
  const SharedLoop loop(scratch, 2, n, 1);
  std::atomic<int> done{0};
  bool waited_in_vain = false;
  parallel(2, [&](Team team) {
    loop.run(team, [&](int first, int) {
      const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
      while (first == 0 && team.threads > 1 && done < n - 1) {
        if (std::chrono::steady_clock::now() > end) {
          waited_in_vain = true;
          break;
        }
        std::this_thread::yield();
      }
      ++done;
    });
  });
  CHECK(done == n);
  CHECK_FALSE(waited_in_vain);
}

}  // namespace test_shared_loop
