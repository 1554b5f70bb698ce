// Weights packed at load give the bits of the ordinary product, for any number of rows and threads.
#include <doctest/doctest.h>

#include <fauna/ops/embedding/cpu.hpp>
#include <fauna/ops/gemm/cpu.hpp>
#include <vector>

#include "support/compare.hpp"
#include "support/memory.hpp"
#include "support/random.hpp"
#include "support/sizes.hpp"

namespace test_panels {

using namespace fauna;
using test::Poisoned;
using test::Random;
using test::Rows;

namespace {

template <class B, class E> struct PackedWeights {
  Poisoned memory;
  View<packed<B>, dyn, dyn> view;
  explicit PackedWeights(Rows<E> const& w)
      : memory(gemm<B>::packed_bytes(w.rows(), w.cols())), view(memory.template as<packed<B>>(), w.rows(), w.cols()) {
    B b;
    b.threads = 3;
    gemm<B>::pack(b, w.view(), view);
  }
};

template <class B, class W> void run(int threads, Rows<float> const& x, W w, Rows<float>& c, Epilogue<float> const& e) {
  Poisoned memory(gemm<B>::workspace(c.rows(), c.cols(), x.cols(), threads));
  Arena arena = memory.arena();
  B b;
  b.threads = threads;
  b.scratch = &arena;
  gemm<B>::nt(b, x.view(), w, c.view(), e);
  CHECK(arena.used() == 0);
}

template <class B, class E> void compare(int n, int k, std::vector<int> const& rows) {
  CAPTURE(n);
  CAPTURE(k);
  CAPTURE(name_of(B::tile));
  Random random(7);
  const Rows<E> w(random, n, k, 3);
  const PackedWeights<B, E> packed_w(w);
  const Rows<float> bias(random, 1, n, 0);
  for (const int m : rows)
    for (const int threads : test::sizes({1, 2, 5}, {1, 2})) {
      CAPTURE(m);
      CAPTURE(threads);
      const Rows<float> x(random, m, k, m % 3);
      Rows<float> want(m, n, 2), got(m, n, 1);
      Epilogue<float> e;
      e.bias = bias.data();
      e.act = activation::gelu;
      run<B>(threads, x, w.view(), want, e);
      run<B>(threads, x, reading(packed_w.view), got, e);
      CHECK(test::same_bits<float>(got, want));
      CHECK(got.gaps_untouched());
      Rows<float> onto = want;
      e.base = onto.data();  // continues a sum
      e.base_stride = onto.view().stride();
      run<B>(threads, x, w.view(), want, e);
      run<B>(threads, x, reading(packed_w.view), got, e);
      CHECK(test::same_bits<float>(got, want));
      run<B>(threads, x, reading(packed_w.view), onto, e);  // in its own place
      CHECK(test::same_bits<float>(onto, want));
    }
}

template <class B> void compare_all() {
  compare<B, float>(1, 1, {1, 2});
  compare<B, float>(50, 7, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17});
  compare<B, bf16>(97, 33, {1, 3, 8, 16, 17});
  compare<B, float>(20, 0, {1, 3, 9});
  // several pieces of k, and enough of it for several threads
  compare<B, float>(263, 260, test::sizes({1, 2, 3, 4, 6, 8, 11, 12, 16, 40}, {1, 2, 4, 6, 12}));
}

template <isa T> using F32 = Cpu<f32_products, T>;
template <isa T> using Bf16 = Cpu<bf16_products, T>;

}  // namespace

TEST_CASE_TEMPLATE("panels: every tile, the bits of the ordinary product", B, F32<isa::baseline>, F32<isa::avx2>,
                   F32<isa::avx512>, Bf16<isa::baseline>, Bf16<isa::avx2>, Bf16<isa::avx512>) {
  compare_all<B>();
}

TEST_CASE_TEMPLATE("panels: few rows by few columns stay within their workspace", B, F32<isa::baseline>, F32<isa::avx2>,
                   F32<isa::avx512>, Bf16<isa::avx2>) {
  compare<B, float>(5, 4000, {5, 6, 9, 12, 16});
}

TEST_CASE_TEMPLATE("panels: pieces of k that just fit and just do not, whole groups of panels and single ones", B,
                   F32<isa::baseline>, F32<isa::avx2>, F32<isa::avx512>, Bf16<isa::avx2>) {
  using T = gemm_detail::tile<B>;
  for (const int elements : {64, 65, 80, 81, 112, 113, 131})
    compare<B, float>(5 * T::NR + 3, elements * T::step, {2, 3, 4, 5, 8, 9});
}

TEST_CASE_TEMPLATE("panels: several blocks of k, of rows and of columns", B, Cpu<f32_products>, Cpu<bf16_products>) {
  compare<B, float>(test::size(700, 110), 2040, {1, 16, 600});
  compare<B, bf16>(test::size(3000, 700), 300, {5, test::size(300, 20)});
  compare<B, bf16>(40, 9000, {16, 17});
}

TEST_CASE_TEMPLATE("panels: a row can be read back", B, Cpu<f32_products>, Cpu<bf16_products, isa::avx2>) {
  Random random(9);
  const Rows<bf16> w(random, 101, 31, 2);
  const PackedWeights<B, bf16> packed_w(w);
  const std::vector<int> ids{100, 0, 47, 48, 96};
  const Rows<float> base(random, 5, 31, 1);
  Rows<float> y(5, 31, 1), sum(5, 31, 2);
  embedding<B>::forward({}, ids.data(), reading(packed_w.view), {}, y.view());
  embedding<B>::forward({}, ids.data(), reading(packed_w.view), reading(base.view()), sum.view());
  for (int r = 0; r < 5; ++r)
    for (int c = 0; c < 31; ++c) {
      const float value = w.view()(ids[static_cast<std::size_t>(r)], c);
      CHECK(y.view()(r, c) == value);
      CHECK(sum.view()(r, c) == base.view()(r, c) + value);
    }
}

}  // namespace test_panels
