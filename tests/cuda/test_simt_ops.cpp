// Every kernel against the reference in double, with the threads in three orders that must give the same bits.
#include <doctest/doctest.h>

#include <cmath>
#include <string>
#include <vector>

#include <fauna/decode/sampling.hpp>
#include <fauna/ops/activation/kernel.cuh>
#include <fauna/ops/activation/ref.hpp>
#include <fauna/ops/adamw/kernel.cuh>
#include <fauna/ops/adamw/ref.hpp>
#include <fauna/ops/add/kernel.cuh>
#include <fauna/ops/add/ref.hpp>
#include <fauna/ops/clip/kernel.cuh>
#include <fauna/ops/clip/ref.hpp>
#include <fauna/ops/draw_tokens/kernel.cuh>
#include <fauna/ops/dropout/kernel.cuh>
#include <fauna/ops/dropout/ref.hpp>
#include <fauna/ops/embedding/kernel.cuh>
#include <fauna/ops/embedding/ref.hpp>
#include <fauna/ops/gated/kernel.cuh>
#include <fauna/ops/gated/ref.hpp>
#include <fauna/ops/layer_norm/kernel.cuh>
#include <fauna/ops/layer_norm/ref.hpp>
#include <fauna/ops/rms_norm/kernel.cuh>
#include <fauna/ops/rms_norm/ref.hpp>
#include <fauna/ops/rope/kernel.cuh>
#include <fauna/ops/rope/ref.hpp>
#include <fauna/ops/sgd/kernel.cuh>
#include <fauna/ops/sgd/ref.hpp>

#include "support/batches.hpp"
#include "support/compare.hpp"
#include "support/kernels.hpp"
#include "support/random.hpp"
#include "support/simt_compare.hpp"

namespace test_simt_ops {

using namespace fauna;
using test::compare, test::Kernels, test::Many, test::R64, test::Rows;

namespace {

constexpr int shapes[][2] = {{1, 1}, {3, 7}, {33, 31}, {70, 130}, {600, 33}, {2, 700}};

}  // namespace

TEST_CASE("simt: layer_norm") {
  test::Random random(1);
  for (auto const& s : shapes)
    for (const bool bias : {true, false}) {
      const int R = s[0], C = s[1];
      const Rows<float> x(random, R, C, 2, 1, 3), w(random, 1, C), b(random, 1, C), dy(random, R, C, 1),
          base(random, R, C, 3);
      const auto x64 = x.as<double>(), w64 = w.as<double>(), b64 = b.as<double>(), dy64 = dy.as<double>(),
                 base64 = base.as<double>();
      // ε = 0.1 keeps 1 / σ within sight of 1, so that rounding in x - μ is not magnified
      const double eps = 0.1;
      const auto run = [&](auto const& bk, auto& m, auto const& x_, auto const& w_, auto const& b_, auto const& dy_,
                           auto const& base_) {
        using B = std::remove_cvref_t<decltype(bk)>;
        layer_norm<B>::forward(bk, x_, w_.data(), bias ? b_.data() : nullptr, m[0], m[1].data(), m[2].data(), eps);
        layer_norm<B>::backward(bk, x_, w_.data(), m[1].data(), m[2].data(), dy_, m[3], base_, m[4].data(),
                                bias ? m[5].data() : nullptr);
        // in place
        m[6] = dy_;
        layer_norm<B>::backward(bk, x_, w_.data(), m[1].data(), m[2].data(), m[6], m[6], {}, nullptr, nullptr);
        m[7] = x_;
        layer_norm<B>::forward(bk, m[7], w_.data(), nullptr, m[7], nullptr, nullptr, eps);
      };
      // Sums of up to 700 terms in f32: 64 units in the last place of the result are many times what is seen.
      compare(
          64,
          {Rows<float>(R, C, 1), Rows<float>(R, 1), Rows<float>(R, 1), Rows<float>(R, C, 2), Rows<float>(random, 1, C),
           Rows<float>(random, 1, C), dy, x},
          [&](Kernels const& k, Many<float>& m) { run(k, m, x, w, b, dy, base); },
          [&](Many<double>& m) { run(R64{}, m, x64, w64, b64, dy64, base64); });
    }
}

TEST_CASE("simt: rms_norm") {
  test::Random random(2);
  for (auto const& s : shapes)
    for (const int offset : {0, 1}) {
      const int R = s[0], C = s[1];
      const Rows<float> x(random, R, C, 2), w(random, 1, C), dy(random, R, C, 1), base(random, R, C, 3);
      const auto x64 = x.as<double>(), w64 = w.as<double>(), dy64 = dy.as<double>(), base64 = base.as<double>();
      const auto run = [&](auto const& bk, auto& m, auto const& x_, auto const& w_, auto const& dy_,
                           auto const& base_) {
        using B = std::remove_cvref_t<decltype(bk)>;
        rms_norm<B>::forward(bk, x_, w_.data(), offset, m[0], m[1].data(), 0.1);
        rms_norm<B>::backward(bk, x_, w_.data(), offset, m[1].data(), dy_, m[2], base_, m[3].data());
        m[4] = dy_;
        rms_norm<B>::backward(bk, x_, w_.data(), offset, m[1].data(), m[4], m[4], m[4], nullptr);
        m[5] = x_;
        rms_norm<B>::forward(bk, m[5], w_.data(), offset, m[5], nullptr, 0.1);
      };
      compare(
          64, {Rows<float>(R, C, 1), Rows<float>(R, 1), Rows<float>(R, C, 2), Rows<float>(random, 1, C), dy, x},
          [&](Kernels const& k, Many<float>& m) { run(k, m, x, w, dy, base); },
          [&](Many<double>& m) { run(R64{}, m, x64, w64, dy64, base64); });
    }
}

TEST_CASE("simt: activations, plain and gated") {
  test::Random random(3);
  using enum activation;
  for (const activation a : {none, gelu, gelu_tanh, silu, relu, relu_squared, sigmoid, tanh})
    for (auto const& s : shapes) {
      CAPTURE(static_cast<int>(a));
      const int R = s[0], C = s[1];
      const Rows<float> x(random, R, 2 * C, 2, 6), dy(random, R, C, 1);
      const auto x64 = x.as<double>(), dy64 = dy.as<double>();
      const auto run = [&](auto const& bk, auto& m, auto const& x_, auto const& dy_) {
        using B = std::remove_cvref_t<decltype(bk)>;
        const auto left = decltype(x_.view())(x_.data(), R, C, x_.view().stride());
        activate<B>::forward(bk, a, left, m[0]);
        activate<B>::backward(bk, a, left, dy_, m[1]);
        m[2] = dy_;
        activate<B>::backward(bk, a, left, m[2], m[2]);
        gated<B>::forward(bk, a, x_, m[3]);
        gated<B>::backward(bk, a, x_, dy_, m[4]);
        m[5] = x_;
        gated<B>::backward(bk, a, m[5], dy_, m[5]);
      };
      compare(
          8,  // a few elementary functions, each right to 2 units or so
          {Rows<float>(R, C, 1), Rows<float>(R, C, 2), dy, Rows<float>(R, C), Rows<float>(R, 2 * C, 1), x},
          [&](Kernels const& k, Many<float>& m) { run(k, m, x, dy); },
          [&](Many<double>& m) { run(R64{}, m, x64, dy64); });
    }
}

TEST_CASE("simt: rope") {
  test::Random random(4);
  const Batch batch = test::ragged();
  std::vector<float> theta;
  for (int i = 0; i < 8; ++i) theta.push_back(1 / static_cast<float>(i + 1));
  for (const auto pairs : {rope_pairs::half, rope_pairs::interleaved})
    for (const int rotary : {16, 6, 0}) {
      const Rotation how{.heads = 3, .head_size = 16, .rotary = rotary, .pairs = pairs, .frequencies = theta.data()};
      const Rows<float> x(random, batch.rows, 48, 2);
      const auto x64 = x.as<double>();
      const auto run = [&](auto const& bk, auto& m, auto const& x_) {
        using B = std::remove_cvref_t<decltype(bk)>;
        rope<B>::forward(bk, batch, how, x_, m[0]);
        rope<B>::backward(bk, batch, how, m[0], m[0]);
        rope<B>::backward(bk, test::plain(4, 3), how, x_, m[1]);
      };
      compare(
          8, {Rows<float>(batch.rows, 48, 1), Rows<float>(batch.rows, 48, 2)},
          [&](Kernels const& k, Many<float>& m) { run(k, m, x); }, [&](Many<double>& m) { run(R64{}, m, x64); });
    }
}

TEST_CASE("simt: add, clear, column_sums") {
  test::Random random(5);
  for (auto const& s : shapes) {
    const int R = s[0], C = s[1];
    const Rows<float> a(random, R, C, 2), b(random, R, C, 1);
    const auto a64 = a.as<double>(), b64 = b.as<double>();
    const auto run = [&](auto const& bk, auto& m, auto const& a_, auto const& b_) {
      using B = std::remove_cvref_t<decltype(bk)>;
      add<B>::run(bk, a_, b_, m[0]);
      add<B>::run(bk, a_, {}, m[1]);
      add<B>::run(bk, m[2], b_, m[2]);
      add<B>::clear(bk, m[3]);
      add<B>::column_sums(bk, a_, m[4].data());
    };
    // The only sums are those of up to 600 rows.
    compare(
        32, {Rows<float>(R, C, 1), Rows<float>(R, C, 2), a, Rows<float>(R, C, 1), Rows<float>(random, 1, C)},
        [&](Kernels const& k, Many<float>& m) { run(k, m, a, b); }, [&](Many<double>& m) { run(R64{}, m, a64, b64); });
  }
}

TEST_CASE("simt: dropout") {
  test::Random random(6);
  for (auto const& s : shapes)
    for (const float p : {0.0F, 0.3F, 1.0F}) {
      const int R = s[0], C = s[1];
      const Rows<float> x(random, R, C, 2), base(random, R, C, 1);
      const auto x64 = x.as<double>(), base64 = base.as<double>();
      const auto run = [&](auto const& bk, auto& m, auto const& x_, auto const& base_) {
        using B = std::remove_cvref_t<decltype(bk)>;
        dropout<B>::apply(bk, {3, 4}, p, x_, {}, m[0]);
        dropout<B>::apply(bk, {3, 5}, p, x_, base_, m[1]);
        dropout<B>::apply(bk, {3, 6}, p, m[2], m[2], m[2]);
      };
      compare(
          4, {Rows<float>(R, C, 1), Rows<float>(R, C, 2), x},
          [&](Kernels const& k, Many<float>& m) { run(k, m, x, base); },
          [&](Many<double>& m) { run(R64{}, m, x64, base64); });
    }
}

TEST_CASE("simt: embedding") {
  test::Random random(7);
  const int sizes[][3] = {{1, 1, 1}, {9, 1, 4}, {1, 37, 5}, {50, 33, 7}, {600, 3, 65}, {800, 300, 3}};
  for (auto const& s : sizes) {
    const int R = s[0], C = s[1], V = s[2];
    const auto ids = random.integers(R, 0, V - 1);
    const Rows<float> table(random, V, C, 3), base(random, R, C, 2), dy(random, R, C, 1);
    const auto half = table.as<bf16>();
    const auto table64 = table.as<double>(), base64 = base.as<double>(), dy64 = dy.as<double>();
    Rows<float> gradient(random, V, C, 4), want = gradient;
    const auto run = [&](auto const& bk, auto& m, auto const& t_, auto const& base_, auto const& dy_) {
      using B = std::remove_cvref_t<decltype(bk)>;
      embedding<B>::forward(bk, ids.data(), t_.view(), {}, m[0]);
      embedding<B>::forward(bk, ids.data(), t_.view(), base_, m[1]);
      embedding<B>::backward(bk, ids.data(), dy_, m[2]);
      embedding<B>::forward(bk, ids.data(), half.view(), {}, m[3]);
    };
    // Up to 800 rows of the same id, one after another.
    compare(
        400, {Rows<float>(R, C, 1), Rows<float>(R, C, 2), gradient, Rows<float>(R, C)},
        [&](Kernels const& k, Many<float>& m) { run(k, m, table, base, dy); },
        [&](Many<double>& m) { run(R64{}, m, table64, base64, dy64); });
    // The order of the additions is the reference's: the same bits.
    embedding<Ref<float>>::backward({}, ids.data(), dy, want);
    embedding<Kernels>::backward(Kernels{}, ids.data(), dy, gradient);
    CHECK(test::same_bits<float>(gradient, want));
  }
}

namespace {

/// Segments over rows of four matrices: value, gradient, m, v.
template <class S> std::vector<Segment<S>> segments_of(Many<S>& m, std::vector<int> const& sizes) {
  std::vector<Segment<S>> v;
  std::size_t at = 0;
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    const auto n = static_cast<std::size_t>(sizes[i]);
    v.push_back({m[0].data() + at, m[1].data() + at, m[2].data() + at, m[3].data() + at, n, i % 2 == 0 ? 0.1F : 0.0F,
                 i == 1 ? 0.5F : 1.0F, i % 4 != 2});
    at += n;
  }
  return v;
}

}  // namespace

TEST_CASE("simt: adamw, sgd, clip") {
  test::Random random(8);
  const std::vector<int> sizes{1, 4096, 300, 9000, 0, 4097, 77};
  int total = 0;
  for (const int n : sizes) total += n;
  const Rows<float> value(random, 1, total), gradient(random, 1, total), m(random, 1, total, 0, 0.1F),
      v(random, 1, total, 0, 0.1F, 0.2F);
  const int n = static_cast<int>(sizes.size());
  SUBCASE("adamw") {
    const AdamWStep a{
        .lr = 1e-2, .beta1 = 0.9, .beta2 = 0.99, .eps = 1e-8, .step = 3, .gradient_scale = 0.7, .clear_gradient = true};
    const auto run = [&](auto const& bk, auto& x) {
      using B = std::remove_cvref_t<decltype(bk)>;
      adamw<B>::step(bk, segments_of(x, sizes).data(), n, a);
    };
    compare(
        8, {value, gradient, m, v}, [&](Kernels const& k, Many<float>& x) { run(k, x); },
        [&](Many<double>& x) { run(R64{}, x); });
  }
  SUBCASE("sgd") {
    for (const double momentum : {0.0, 0.9})
      for (const bool nesterov : {false, true}) {
        const SgdStep a{
            .lr = 1e-2, .momentum = momentum, .nesterov = nesterov, .gradient_scale = 0.5, .clear_gradient = nesterov};
        const auto run = [&](auto const& bk, auto& x) {
          using B = std::remove_cvref_t<decltype(bk)>;
          sgd<B>::step(bk, segments_of(x, sizes).data(), n, a);
        };
        compare(
            8, {value, gradient, m, v}, [&](Kernels const& k, Many<float>& x) { run(k, x); },
            [&](Many<double>& x) { run(R64{}, x); });
      }
  }
  SUBCASE("clip") {
    Many<float> x{value, gradient, m, v};
    Many<double> x64;
    for (auto const& part : x) x64.push_back(part.as<double>());
    auto segments = segments_of(x, sizes);
    const auto exact = segments_of(x64, sizes);
    for (const float last : {0.5F, 1e-30F, 1e30F, INFINITY, NAN}) {
      for (std::size_t k = 0; k < segments[3].size; ++k) {
        segments[3].gradient[k] = 0;
        exact[3].gradient[k] = 0;
      }
      segments[5].gradient[4096] = last;
      exact[5].gradient[4096] = static_cast<double>(last);
      std::vector<gradient_state> want(sizes.size()), got(sizes.size());
      const double norm = clip<R64>::global_norm({}, exact.data(), n, want.data());
      const test::DeviceArray<std::byte> memory(clip<Kernels>::workspace(segments.data(), n));
      Arena scratch(memory.data(), clip<Kernels>::workspace(segments.data(), n));
      for (const auto o : {test::simt::order::ascending, test::simt::order::descending, test::simt::order::random}) {
        Kernels::order = o;
        Kernels b;
        b.scratch = &scratch;
        const double found = clip<Kernels>::global_norm(b, segments.data(), n, got.data());
        if (std::isfinite(norm)) CHECK(found == doctest::Approx(norm).epsilon(1e-12));
        else CHECK_FALSE(std::isfinite(found));
        CHECK(got == want);
      }
    }
    Kernels::order = test::simt::order::ascending;
  }
}

TEST_CASE("simt: ids and targets are checked before anything runs") {
  Rows<float> table(4, 3), y(3, 3);
  const int ids[] = {0, 4, 1};
  const long before = Kernels::launches;
  CHECK_THROWS_WITH_AS(embedding<Kernels>::forward(Kernels{}, ids, table.view(), {}, y),
                       doctest::Contains("[embedding.forward] id 4 in row 1, expected 0 to 3"), error);
  CHECK(Kernels::launches == before);
}

TEST_CASE("simt: draw_tokens gives the sampler's tokens") {
  using test::simt::order;
  test::Random random(7);
  for (const int V : {1, 3, 31, 1030, 5000})
    for (const float temperature : {0.0F, 0.3F, 1.0F}) {
      Rows<float> logits(random, 7, V, 2, 0, 2);
      const auto l = logits.view();
      for (int v = 0; v < V; ++v) {
        l(1, v) = std::round(l(1, v));                                 // largest ones that are equal
        if (v != V / 2) l(2, v) = -HUGE_VALF;                          // one that is left
        if (v % 2 == 1 && v / 2 % 300 != 9) l(3, v) = l(3, v) - 3000;  // no weight at all
      }
      std::vector<Key> keys;
      for (std::uint64_t r = 0; r < 7; ++r) keys.push_back(Key{11, 5}.child(40 + r));
      std::vector<int> want;
      Sampler sampler(V, {.temperature = temperature});
      for (int r = 0; r < 7; ++r) want.push_back(sampler(l.row(r), Key{11, 5}, 40 + static_cast<std::uint64_t>(r)));
      for (const auto o : {order::ascending, order::descending, order::random}) {
        Kernels::order = o;
        std::vector<int> ids(7);
        draw_tokens<Kernels>::forward({}, Matrix<const float>(l), temperature, keys.data(), ids.data());
        CAPTURE(V);
        CAPTURE(temperature);
        CHECK(ids == want);
      }
      Kernels::order = order::ascending;
      for (const float wrong : {std::nanf(""), HUGE_VALF}) {
        l(4, V - 1) = wrong;
        std::vector<int> ids(7);
        CHECK_THROWS_WITH_AS(
            draw_tokens<Kernels>::forward({}, Matrix<const float>(l), temperature, keys.data(), ids.data()),
            doctest::Contains("row 4 of logits"), error);
      }
    }
}

}  // namespace test_simt_ops
