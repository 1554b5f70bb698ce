// After the first step, a step allocates nothing. Every operator new of this program is counted, and glibc is asked for
// the bytes that malloc has handed out.
#include <doctest/doctest.h>
#include <malloc.h>

#include <atomic>
#include <cstdlib>
#include <new>

#include "../support/runs.hpp"

namespace {

std::atomic<long> allocations{0};

void* counted(std::size_t bytes) {
  ++allocations;
  void* p = std::malloc(bytes > 0 ? bytes : 1);
  if (p == nullptr) throw std::bad_alloc();
  return p;
}

}  // namespace

void* operator new(std::size_t bytes) { return counted(bytes); }
void* operator new[](std::size_t bytes) { return counted(bytes); }
void operator delete(void* p) noexcept { std::free(p); }
void operator delete[](void* p) noexcept { std::free(p); }
void operator delete(void* p, std::size_t) noexcept { std::free(p); }
void operator delete[](void* p, std::size_t) noexcept { std::free(p); }

TEST_CASE("no allocation in a training step after the first") {
  using namespace fauna;
  const CharText text = CharText::from_string(test::letters(900));
  for (const int threads : {1, 2}) {
    CAPTURE(threads);
    test::Small model(seed{3}, threads);
    Trainer<test::Small> run(model, {text.train(), text.val()}, test::short_run());
    const long counted_before = allocations;
    run.step();
    run.evaluate();
    const long before = allocations;
    const std::size_t bytes = ::mallinfo2().uordblks;
    for (int i = 0; i < 5; ++i) run.step();
    run.evaluate();
    CHECK(allocations == before);
    CHECK(::mallinfo2().uordblks == bytes);
    CHECK(counted_before > 0);  // the counter counts
  }
}
