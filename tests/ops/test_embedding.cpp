#include <doctest/doctest.h>

#include <fauna/backend/cpu.hpp>
#include <fauna/ops/embedding/cpu.hpp>
#include <fauna/ops/embedding/ref.hpp>
#include <initializer_list>
#include <string>
#include <vector>

#include "support/compare.hpp"
#include "support/op_check.hpp"
#include "support/random.hpp"

namespace test_embedding {

using namespace fauna;
using test::Rows, test::with_threads;

TEST_CASE_TEMPLATE("embedding: equals the reference on every tile and for any number of threads", B,
                   Cpu<f32_products, isa::baseline>, Cpu<f32_products, isa::avx2>, Cpu<f32_products, isa::avx512>) {
  test::Random random(1);
  const int shapes[][3] = {{1, 1, 1}, {9, 1, 4}, {1, 37, 5}, {50, 33, 7}, {300, 128, 65}, {800, 65, 11}};
  for (auto const& s : shapes) {
    const int rows = s[0], cols = s[1], vocab = s[2];
    const auto ids = random.integers(rows, 0, vocab - 1);
    const Rows<float> table(random, vocab, cols, 3), base(random, rows, cols, 2), dy(random, rows, cols, 1),
        before(random, vocab, cols, 4);
    const auto half = table.as<bf16>();

    // One addition of floats at most: the results are those of the reference in float, to the bit.
    Rows<float> plain(rows, cols), added(rows, cols), halves(rows, cols), gradient = before;
    const Ref<float> ref;
    embedding<Ref<float>>::forward(ref, ids.data(), table.view(), {}, plain);
    embedding<Ref<float>>::forward(ref, ids.data(), table.view(), base, added);
    embedding<Ref<float>>::forward(ref, ids.data(), half.view(), base, halves);
    embedding<Ref<float>>::backward(ref, ids.data(), dy, gradient);

    for (int threads : {1, 2, 3, 8}) {
      const B b = with_threads<B>(threads);
      Rows<float> y(rows, cols, 5), d = before;
      embedding<B>::forward(b, ids.data(), table.view(), {}, y);
      CHECK(test::same_bits<float>(y, plain));
      embedding<B>::forward(b, ids.data(), table.view(), base, y);
      CHECK(test::same_bits<float>(y, added));
      embedding<B>::forward(b, ids.data(), half.view(), base, y);
      CHECK(test::same_bits<float>(y, halves));
      CHECK(y.gaps_untouched());
      Rows<float> in_place = base;
      embedding<B>::forward(b, ids.data(), table.view(), in_place, in_place);
      CHECK(test::same_bits<float>(in_place, added));
      embedding<B>::backward(b, ids.data(), dy, d);  // additions in the same order: the same bits
      CHECK(test::same_bits<float>(d, gradient));
      CHECK(d.gaps_untouched());
    }
  }
}

TEST_CASE_TEMPLATE("embedding: an id outside the table is an error that says where", B, Ref<float>, Cpu<>) {
  Rows<float> table(4, 3), y(3, 3);
  for (int bad : {-1, 4}) {
    const std::vector<int> ids{0, bad, 1};
    std::string message;
    try {
      embedding<B>::forward(B{}, ids.data(), table.view(), {}, y);
    } catch (error const& e) {
      message = e.what();
    }
    CHECK(message.find("[embedding.forward] id " + std::to_string(bad) + " in row 1, expected 0 to 3") == 0);
    CHECK_THROWS_AS(embedding<B>::backward(B{}, ids.data(), y, table), error);
  }
}

TEST_CASE("embedding: the gradient equals the derivative of dual numbers") {
  test::Random random(2);
  const int rows = 20, cols = 6, vocab = 5;
  const auto ids = random.integers(rows, 0, vocab - 1);
  const Rows<double> t(random, vocab, cols), td(random, vocab, cols), probe(random, rows, cols);
  Rows<Dual> y(rows, cols);
  embedding<Ref<Dual>>::forward({}, ids.data(), test::dual(t, td).view(), {}, y);
  Dual loss = 0;
  for (int r = 0; r < rows; ++r)
    for (int c = 0; c < cols; ++c) loss += Dual(probe.view()(r, c)) * y.view()(r, c);
  Rows<double> dt(vocab, cols);
  for (int v = 0; v < vocab; ++v)
    for (int c = 0; c < cols; ++c) dt.view()(v, c) = 0;
  embedding<Ref<double>>::backward({}, ids.data(), probe, dt);
  test::Dot dot;
  dot.add(dt, td);
  CHECK(dot.error(loss.d) < 1e-12);
}

}  // namespace test_embedding
