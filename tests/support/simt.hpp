// Runs kernels (backend/simt.cuh) on the CPU, one block after another. The threads of a block are fibers: each runs
// until it meets the others at a barrier or its warp in an exchange. Between two meetings they run in an order that the
// test chooses; a kernel that is right gives the same bits in all of them. A meeting to which not all come, or not all
// from the same line, is an error.
#pragma once
#include <sys/mman.h>
#include <ucontext.h>

#include <cstdint>
#include <cstring>
#include <new>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <fauna/backend/simt.cuh>
#include <fauna/core/error.hpp>

#if defined(__SANITIZE_ADDRESS__)
#define FAUNA_TEST_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define FAUNA_TEST_ASAN 1
#endif
#endif
#if defined(FAUNA_TEST_ASAN)
#include <sanitizer/common_interface_defs.h>
#endif

namespace test::simt {

enum class order { ascending, descending, random };

inline std::uint64_t next(std::uint64_t& random) {
  random = random * 6364136223846793005U + 1442695040888963407U;
  return random >> 33;
}
inline void shuffle(std::vector<int>& v, std::uint64_t& random) {
  for (std::size_t i = v.size(); i > 1; --i) std::swap(v[i - 1], v[next(random) % i]);
}
/// 0 to n - 1, or from n - 1 down.
inline std::vector<int> turns(int n, order o) {
  std::vector<int> v;
  for (int i = 0; i < n; ++i) v.push_back(o == order::descending ? n - 1 - i : i);
  return v;
}

/// A stack with a page before it that nothing may touch.
class Stack {
 public:
  Stack()
      : base_(static_cast<char*>(
            ::mmap(nullptr, page + size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0))) {
    if (base_ == MAP_FAILED || ::mprotect(base_, page, PROT_NONE) != 0) throw std::bad_alloc();
  }
  Stack(Stack&& o) noexcept : base_(o.base_) { o.base_ = nullptr; }
  Stack& operator=(Stack&&) = delete;
  ~Stack() {
    if (base_ != nullptr) ::munmap(base_, page + size);
  }
  char* bottom() const { return base_ + page; }
  char* top() const { return base_ + page + size; }
  static constexpr std::size_t page = 4096, size = 128 << 10;

 private:
  char* base_;
};

#if defined(__x86_64__)
// Switching saves the registers that a called function must keep. (swapcontext would ask the system for the signal mask
// each time: fifty times slower.)
using Saved = void*;
__attribute__((naked, noinline)) inline void switch_to(Saved* /*save*/, Saved* /*load*/) {
  __asm__(
      "pushq %rbp\n\tpushq %rbx\n\tpushq %r12\n\tpushq %r13\n\tpushq %r14\n\tpushq %r15\n\t"
      "movq %rsp, (%rdi)\n\t"
      "movq (%rsi), %rsp\n\t"
      "popq %r15\n\tpopq %r14\n\tpopq %r13\n\tpopq %r12\n\tpopq %rbx\n\tpopq %rbp\n\t"
      "ret");
}
inline void start_at(Saved& s, Stack const& stack, void (*entry)()) {
  void** at = reinterpret_cast<void**>(stack.top()) - 2;  // 16-byte aligned, as at a call
  at[0] = reinterpret_cast<void*>(entry);
  at[1] = nullptr;
  s = at - 6;
  for (int i = 1; i <= 6; ++i) at[-i] = nullptr;
}
#else
using Saved = ucontext_t;
inline void switch_to(Saved* save, Saved* load) { ::swapcontext(save, load); }
inline void start_at(Saved& s, Stack const& stack, void (*entry)()) {
  ::getcontext(&s);
  s.uc_stack.ss_sp = stack.bottom();
  s.uc_stack.ss_size = Stack::size;
  s.uc_link = nullptr;
  ::makecontext(&s, entry, 0);
}
#endif

/// Where a thread stands.
enum class meeting { none, block, lane_xor, lane_down, from_lane, vote, ended };
inline const char* name_of(meeting m) {
  switch (m) {
    case meeting::none: return "runs";
    case meeting::block: return "waits at a barrier";
    case meeting::lane_xor: return "waits in lane_xor";
    case meeting::lane_down: return "waits in lane_down";
    case meeting::from_lane: return "waits in from_lane";
    case meeting::vote: return "waits in a vote";
    case meeting::ended: return "has ended";
  }
  return "?";
}

/// One block's threads; kept from block to block for their stacks.
class Block {
 public:
  struct Fiber {
    Saved saved{};
    meeting at = meeting::none;
    int line = 0;
    bool vote = false;
    unsigned turn = 0;        ///< exchanges so far: odd and even ones use different slots, so that nobody overwrites
    std::uint64_t slot[2]{};  ///< what the other lanes have not read yet
    void* fake_stack = nullptr;
  };

  /// f(thread index) in every thread of a block.
  template <class F> void run(int block, int threads, order o, std::uint64_t& random, F const& f) {
    while (stacks_.size() < static_cast<std::size_t>(threads)) stacks_.emplace_back();
    fibers_.assign(static_cast<std::size_t>(threads), {});
    block_ = block;
    call_ = [](void const* g, int i) { (*static_cast<F const*>(g))(i); };
    function_ = &f;
    for (int i = 0; i < threads; ++i) start_at(fiber(i).saved, stacks_[static_cast<std::size_t>(i)], &Block::enter);
    std::vector<int> warps = turns(threads / fauna::warp_size, o), lanes = turns(fauna::warp_size, o);
    for (int left = threads; left > 0;) {
      if (o == order::random) shuffle(warps, random);
      bool moved = false;
      // A warp goes on alone as far as it can, so that it is ahead of the others wherever no barrier holds it; in
      // random order it may stop at any exchange.
      for (const int w : warps)
        for (bool again = true; again;) {
          again = false;
          if (o == order::random) shuffle(lanes, random);
          for (const int lane : lanes) {
            const int i = w * fauna::warp_size + lane;
            if (fiber(i).at != meeting::none) continue;
            resume(i);
            again = moved = true;
            left -= fiber(i).at == meeting::ended;
            release_warp(i);
          }
          again = again && (o != order::random || next(random) % 4 != 0);
        }
      if (!moved) release_block();
    }
  }

  /// From a thread: waits for the others.
  void meet(int i, meeting m, int line) {
    Fiber& f = fiber(i);
    f.at = m;
    f.line = line;
    leave(f);
  }
  template <class V, class From> V exchange(int i, meeting m, int line, V v, From from) {
    static_assert(std::is_trivially_copyable_v<V> && sizeof(V) <= 8);
    Fiber& f = fiber(i);
    const unsigned turn = f.turn++ & 1U;
    std::memcpy(&f.slot[turn], &v, sizeof v);
    meet(i, m, line);
    const int lane = from(i % fauna::warp_size);
    if (lane >= 0 && lane < fauna::warp_size)
      std::memcpy(&v, &fiber(i / fauna::warp_size * fauna::warp_size + lane).slot[turn], sizeof v);
    return v;
  }
  bool vote(int i, bool v, int line) {
    fiber(i).vote = v;
    meet(i, meeting::block, line);
    return voted_;
  }

 private:
  Fiber& fiber(int i) { return fibers_[static_cast<std::size_t>(i)]; }

  static void enter() {
    Block& b = *running_;
    b.entered(b.fiber(b.current_));
    b.call_(b.function_, b.current_);
    b.fiber(b.current_).at = meeting::ended;
    b.leave(b.fiber(b.current_));
    __builtin_unreachable();
  }
  void resume(int i) {
    running_ = this;
    current_ = i;
    [[maybe_unused]] Stack const& s = stacks_[static_cast<std::size_t>(i)];
#if defined(FAUNA_TEST_ASAN)
    __sanitizer_start_switch_fiber(&fake_stack_, s.bottom(), Stack::size);
#endif
    switch_to(&scheduler_, &fiber(i).saved);
#if defined(FAUNA_TEST_ASAN)
    __sanitizer_finish_switch_fiber(fake_stack_, nullptr, nullptr);
#endif
  }
  void leave([[maybe_unused]] Fiber& f) {
#if defined(FAUNA_TEST_ASAN)
    __sanitizer_start_switch_fiber(f.at == meeting::ended ? nullptr : &f.fake_stack, outer_bottom_, outer_size_);
#endif
    switch_to(&f.saved, &scheduler_);
    entered(f);
  }
  void entered([[maybe_unused]] Fiber& f) {
#if defined(FAUNA_TEST_ASAN)
    __sanitizer_finish_switch_fiber(f.fake_stack, &outer_bottom_, &outer_size_);
#endif
  }

  /// Lets the warp of thread i go on when all of it has come to the same exchange.
  void release_warp(int i) {
    const int first = i / fauna::warp_size * fauna::warp_size;
    Fiber const& f = fiber(first);
    if (f.at == meeting::none || f.at == meeting::block || f.at == meeting::ended) return;
    for (int k = first; k < first + fauna::warp_size; ++k)
      if (fiber(k).at != f.at || fiber(k).line != f.line) return;
    for (int k = first; k < first + fauna::warp_size; ++k) fiber(k).at = meeting::none;
  }
  /// Lets the block go on when all of it has come to the same barrier. Nobody can run: otherwise nobody ever will.
  void release_block() {
    Fiber const& f = fibers_[0];
    voted_ = false;
    for (std::size_t i = 0; i < fibers_.size(); ++i) {
      Fiber const& g = fibers_[i];
      voted_ = voted_ || g.vote;
      if (g.at != f.at || g.line != f.line || g.at != meeting::block) {
        // The first that differs from thread 0, or thread 1 where all wait in exchanges of parts of their warp.
        std::size_t other = 0;
        while (other + 1 < fibers_.size() && fibers_[other].at == f.at && fibers_[other].line == f.line) ++other;
        throw fauna::error("[simt] divergent barrier in block " + std::to_string(block_) + ": " + where(0) + ", " +
                           where(other));
      }
    }
    for (Fiber& g : fibers_) {
      g.at = meeting::none;
      g.vote = false;
    }
  }
  std::string where(std::size_t i) const {
    return "thread " + std::to_string(i) + " " + name_of(fibers_[i].at) +
           (fibers_[i].at == meeting::ended ? "" : " (line " + std::to_string(fibers_[i].line) + ")");
  }

  std::vector<Stack> stacks_;
  std::vector<Fiber> fibers_;
  Saved scheduler_{};
  void (*call_)(void const*, int) = nullptr;
  void const* function_ = nullptr;
  int block_ = 0, current_ = 0;
  bool voted_ = false;
  [[maybe_unused]] void* fake_stack_ = nullptr;
  [[maybe_unused]] const void* outer_bottom_ = nullptr;
  [[maybe_unused]] std::size_t outer_size_ = 0;
  static inline thread_local Block* running_ = nullptr;
};

/// What a kernel is given (backend/simt.cuh).
class Thread {
 public:
  Thread(Block& b, int index, int block, int blocks) : b_(b), index_(index), block_(block), blocks_(blocks) {}
  int index() const { return index_; }
  int block() const { return block_; }
  int blocks() const { return blocks_; }
  int lane() const { return index_ % fauna::warp_size; }
  int warp() const { return index_ / fauna::warp_size; }
  void sync(int line = __builtin_LINE()) const { b_.meet(index_, meeting::block, line); }
  bool sync_or(bool v, int line = __builtin_LINE()) const { return b_.vote(index_, v, line); }
  template <class V> V lane_xor(V v, int mask, int line = __builtin_LINE()) const {
    return b_.exchange(index_, meeting::lane_xor, line, v, [=](int lane) { return lane ^ mask; });
  }
  template <class V> V lane_down(V v, int n, int line = __builtin_LINE()) const {
    return b_.exchange(index_, meeting::lane_down, line, v, [=](int lane) { return lane + n; });
  }
  template <class V> V from_lane(V v, int i, int line = __builtin_LINE()) const {
    return b_.exchange(index_, meeting::from_lane, line, v, [=](int) { return i; });
  }
  unsigned ballot(bool v, int line = __builtin_LINE()) const {
    unsigned bits = v ? 1U << lane() : 0U;
    for (int mask = fauna::warp_size / 2; mask > 0; mask /= 2)
      bits |= b_.exchange(index_, meeting::vote, line, bits, [=](int lane) { return lane ^ mask; });
    return bits;
  }
  bool any(bool v, int line = __builtin_LINE()) const { return ballot(v, line) != 0; }
  bool all(bool v, int line = __builtin_LINE()) const { return ballot(v, line) == ~0U; }
  int add_atomic(int* p, int v) const {
    const int before = *p;
    *p += v;
    return before;
  }

 private:
  Block& b_;
  int index_, block_, blocks_;
};

/// Runs all blocks of a kernel; they too go in the order.
template <class K> void run(K const& kernel, int blocks, order o) {
  static_assert(K::threads >= fauna::warp_size && K::threads % fauna::warp_size == 0 && K::threads <= 1024);
  static thread_local Block block;
  static thread_local std::uint64_t random = 7;
  alignas(64) static thread_local unsigned char memory[sizeof(typename K::Shared)];
  std::vector<int> order_of_blocks = turns(blocks, o);
  if (o == order::random) shuffle(order_of_blocks, random);
  for (const int b : order_of_blocks) {
    std::memset(memory, 0xff, sizeof memory);  // NaN, and no valid index
    auto& shared = *reinterpret_cast<typename K::Shared*>(memory);
    block.run(b, K::threads, o, random, [&](int i) { kernel(Thread(block, i, b, blocks), shared); });
  }
}

}  // namespace test::simt
