// Mixtures of experts on the GPU's kernels: their ops against the reference in double, and whole models.
#include <doctest/doctest.h>

#include <cmath>
#include <vector>

#include <fauna/blocks/dispatch.hpp>
#include <fauna/decode/generate.hpp>
#include <fauna/models/mixtral.hpp>
#include <fauna/ops/activation/kernel.cuh>
#include <fauna/ops/adamw/kernel.cuh>
#include <fauna/ops/add/kernel.cuh>
#include <fauna/ops/attention/kernel.cuh>
#include <fauna/ops/clamp/kernel.cuh>
#include <fauna/ops/clamped_swiglu/kernel.cuh>
#include <fauna/ops/clip/kernel.cuh>
#include <fauna/ops/cross_entropy/kernel.cuh>
#include <fauna/ops/dropout/kernel.cuh>
#include <fauna/ops/embedding/kernel.cuh>
#include <fauna/ops/experts/kernel.cuh>
#include <fauna/ops/gated/kernel.cuh>
#include <fauna/ops/ref.hpp>
#include <fauna/ops/rms_norm/kernel.cuh>
#include <fauna/ops/rope/kernel.cuh>
#include <fauna/ops/router/kernel.cuh>
#include <fauna/ops/row_gate/kernel.cuh>
#include <fauna/ops/softmax_heads/kernel.cuh>

#include "support/simt_compare.hpp"
#include "support/simt_train.hpp"

namespace test_simt_experts {

using namespace fauna;
using test::compare, test::Kernels, test::Many, test::R64, test::Rows;

namespace {

constexpr int shapes[][2] = {{1, 1}, {3, 7}, {33, 31}, {300, 65}, {2, 300}};

/// Whole numbers where kernels can read and write them, of any policy.
class Ints {
 public:
  Ints(int rows, int cols)
      : memory_(static_cast<std::size_t>(rows) * static_cast<std::size_t>(cols)), rows_(rows), cols_(cols) {}
  operator Matrix<int>() const { return Matrix<int>(memory_.data(), rows_, cols_); }
  operator Matrix<const int>() const { return Matrix<const int>(memory_.data(), rows_, cols_); }
  int* data() const { return memory_.data(); }

 private:
  test::DeviceArray<int> memory_;
  int rows_, cols_;
};

}  // namespace

TEST_CASE("simt: numbers within bounds, rows that a number opens, softmax of heads") {
  test::Random random(1);
  for (auto const& s : shapes) {
    const int R = s[0], C = s[1];
    const Rows<float> x(random, R, C + 1, 2, 3), dy(random, R, C, 1);
    const auto x64 = x.as<double>(), dy64 = dy.as<double>();
    const auto run = [&](auto const& bk, auto& m, auto const& x_, auto const& dy_) {
      using B = std::remove_cvref_t<decltype(bk)>;
      const auto left = decltype(x_.view())(x_.data(), R, C, x_.view().stride());
      clamp<B>::forward(bk, 0.25, left, m[0]);
      clamp<B>::backward(bk, 0.25, left, dy_, m[1]);
      row_gate<B>::forward(bk, x_, m[2]);
      row_gate<B>::backward(bk, x_, dy_, m[3]);
      softmax_heads<B>::forward(bk, C, left, m[4]);
      softmax_heads<B>::backward(bk, C, m[4], dy_, m[6]);
      softmax_heads<B>::forward(bk, C % 5 == 0 ? C / 5 : 1, left, m[5]);  // some heads
      m[7] = dy_;
      softmax_heads<B>::backward(bk, C, m[4], m[7], m[7]);
    };
    std::vector<Rows<float>> out(8, Rows<float>(R, C, 1));
    out[3] = Rows<float>(R, C + 1, 2);
    out[7] = dy;
    compare(
        64, out, [&](Kernels const& k, Many<float>& m) { run(k, m, x, dy); },  // sums of up to 300 terms
        [&](Many<double>& m) { run(R64{}, m, x64, dy64); });
  }
}

TEST_CASE("simt: gates within bounds") {
  test::Random random(4);
  for (auto const& s : shapes) {
    const int R = s[0], C = s[1];
    const Rows<float> x(random, R, 2 * C, 2, 3), dy(random, R, C, 1);
    const auto x64 = x.as<double>(), dy64 = dy.as<double>();
    const ClampedGate how{.limit = 0.5F, .slope = 1.25F};
    const auto run = [&](auto const& bk, auto& m, auto const& x_, auto const& dy_) {
      using B = std::remove_cvref_t<decltype(bk)>;
      clamped_swiglu<B>::forward(bk, how, x_, m[0]);
      clamped_swiglu<B>::backward(bk, how, x_, dy_, m[1]);
      m[2] = x_;
      clamped_swiglu<B>::backward(bk, how, m[2], dy_, m[2]);
    };
    compare(
        16, {Rows<float>(R, C, 1), Rows<float>(R, 2 * C), x},
        [&](Kernels const& k, Many<float>& m) { run(k, m, x, dy); },
        [&](Many<double>& m) { run(R64{}, m, x64, dy64); });
  }
}

TEST_CASE("simt: the router's products, choices and side losses") {
  test::Random random(2);
  for (const int R : {1, 7, 70})
    for (const Choice how : {Choice{}, Choice{.renormalised = false, .scale = 2},
                             Choice{.scores = router_scores::sigmoid, .scale = 2.5F, .groups = 3, .kept_groups = 2},
                             Choice{.groups = 4, .kept_groups = 2, .by = group_score::best}}) {
      const int E = 12, K = 3, C = 33;
      const Rows<float> x(random, R, C, 1), gate(random, E, C), dw(random, R, K), dp(random, R, E), bias(random, 1, E);
      double shares[E];
      for (int e = 0; e < E; ++e) shares[e] = 0.25 * (e % 5);
      const auto run = [&]<class S>(auto const& bk, auto& m, S) {
        using B = std::remove_cvref_t<decltype(bk)>;
        const auto x_ = x.as<S>(), gate_ = gate.as<S>(), dw_ = dw.as<S>(), dp_ = dp.as<S>(), bias_ = bias.as<S>();
        const Ints ids(R, K);
        router<B>::scores(bk, x_, gate_, m[0]);
        router<B>::forward(bk, m[0], how, bias_.data(), m[1], ids, m[2]);
        router<B>::balance(bk, m[1], how, shares, m[3].data());
        router<B>::balance_gradient(bk, m[1], how, shares, 0.5, m[4]);
        router<B>::backward(bk, m[1], how, ids, m[2], dw_, dp_, m[5]);
        router<B>::z(bk, m[0], m[6].data());
        router<B>::z_gradient(bk, m[0], 0.25, m[5]);
        router<B>::scores_backward(bk, x_, gate_, m[5], m[7], m[8]);
        router<B>::scores(bk, x_, gate_, m[10], bias_.data());
        router<B>::forward(bk, m[10], how, dp_.view(), m[1], ids, m[2]);  // judged by something else
        for (int r = 0; r < R; ++r)
          for (int j = 0; j < K; ++j) m[9].view()(r, j) = static_cast<S>(Matrix<const int>(ids)(r, j));
      };
      // Sums of 33 products, then exponentials and quotients of them; those of the gate's gradient over 70 rows.
      compare(
          128,
          {Rows<float>(R, E, 1), Rows<float>(R, E), Rows<float>(R, K), Rows<float>(random, 1, 1), Rows<float>(R, E),
           Rows<float>(R, E), Rows<float>(random, 1, 1), gate, x, Rows<float>(R, K), Rows<float>(R, E)},
          [&](Kernels const& k, Many<float>& m) { run(k, m, 0.0F); }, [&](Many<double>& m) { run(R64{}, m, 0.0); });
    }
}

TEST_CASE("simt: rows on their way to experts and back") {
  test::Random random(3);
  for (auto const& s : shapes) {
    const int R = s[0], C = s[1], K = 2, n = R * K;
    const Rows<float> x(random, R, C, 2), z(random, n, C, 1), w(random, R, K), dy(random, R, C, 3), base(random, R, C);
    const Ints ids(R, K), places(R, K), sources(n, 1);
    for (int i = 0; i < n; ++i) ids.data()[i] = i * i % 5;
    int first[6];
    Stateless::State<float, 5> none;
    Dropless::place<float>({}, ids, {}, 2, none, Places{5, first, places, sources.data()});
    places.data()[n / 2] = -1;  // as if there had been no place
    const auto run = [&]<class S>(auto const& bk, auto& m, S) {
      using B = std::remove_cvref_t<decltype(bk)>;
      const auto x_ = x.as<S>(), z_ = z.as<S>(), w_ = w.as<S>(), dy_ = dy.as<S>(), base_ = base.as<S>();
      expert_rows<B>::gather(bk, x_, sources.data(), m[0]);
      expert_rows<B>::gather_backward(bk, z_, places, base_, m[1]);
      expert_rows<B>::gather_backward(bk, z_, places, {}, m[2]);
      expert_rows<B>::combine(bk, z_, places, w_, base_, m[3]);
      expert_rows<B>::combine(bk, z_, places, w_, m[4], m[4]);
      expert_rows<B>::combine_backward(bk, dy_, z_, places, w_, m[5], m[6]);
      expert_rows<B>::scatter(bk, x_, places, w_, m[7]);
      expert_rows<B>::scatter(bk, x_, places, {}, m[8]);
      expert_rows<B>::dots(bk, x_, z_, places, m[9]);
    };
    compare(
        64,
        {Rows<float>(n, C, 1), Rows<float>(R, C), Rows<float>(R, C, 2), Rows<float>(R, C), base, z, Rows<float>(R, K),
         z, z, Rows<float>(R, K)},
        [&](Kernels const& k, Many<float>& m) { run(k, m, 0.0F); }, [&](Many<double>& m) { run(R64{}, m, 0.0); });
  }
}

namespace {

using Small = Mixtral<MixtralConfig{.layers = 2,
                                    .heads = 2,
                                    .kv_heads = 1,
                                    .width = 16,
                                    .hidden = 12,
                                    .experts = 4,
                                    .chosen = 2,
                                    .context = 64,
                                    .vocab = 37}>;

}  // namespace

TEST_CASE("simt: a mixture of experts trains as on the reference, whatever the order of threads") {
  test::check_training<Small>(37);
}

TEST_CASE("simt: a mixture of experts decodes as on the reference, with a cache") {
  const GenerateOptions options{
      .tokens = 20, .temperature = 0, .chunk = 5, .context = 24, .at_end = context_end::slide};
  const std::vector<std::vector<int>> prompts{{1, 2, 3, 4, 5, 6, 7, 8, 9}, {3}, {30, 20}};
  Trained<Small, Ref<float>> reference(seed{9}, 1);
  Trained<Small, Kernels> model(seed{9}, 1);
  const auto ignore = [](int, int) {};
  CHECK(generate_batch(model, prompts, options, ignore) == generate_batch(reference, prompts, options, ignore));
}

}  // namespace test_simt_experts
