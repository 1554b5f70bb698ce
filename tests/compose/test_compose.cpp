// What combinators promise beyond gradients: names, taps, modes, recompute, fusion, plans.
#include <doctest/doctest.h>

#include <string>
#include <vector>

#include <fauna/compose/recompute.hpp>
#include <fauna/models/explain.hpp>
#include <fauna/models/gpt.hpp>
#include <fauna/ops/ref.hpp>

#include "../support/batches.hpp"
#include "../support/dual_check.hpp"
#include "../support/toys.hpp"

namespace test_compose {

namespace {

using namespace fauna;
constexpr int W = 6;

template <class Block, class T = double> std::vector<T> forward(Batch const& b, mode m, Tap<T> const* tap = nullptr) {
  const std::size_t n = static_cast<std::size_t>(b.rows);
  auto widen = [](std::vector<double> const& v) { return std::vector<T>(v.begin(), v.end()); };
  const auto x = widen(test::random_values(n * Block::in, 5));
  std::vector<T> y(n * Block::out, T(std::nan("")));
  const auto entering = widen(test::random_values(test::state_count<Block>(b), 3));
  test::Pass<Block, T> p(b, widen(test::random_values(test::weight_count<Block>(), 1)), entering, m);
  p.call.tap = tap;
  Block::forward(p.call, p.w, p.state, View<const T, dyn, Block::in>(x.data(), b.rows),
                 View<T, dyn, Block::out>(y.data(), b.rows), p.saved);
  return y;
}

}  // namespace

TEST_SUITE("compose") {
  TEST_CASE("inference gives training's numbers where nothing is dropped") {
    using Layers = Stack<0, 3, GptLayer<W, 2, true, Rate{0}>, Residual<Seq<test::Scan<W>, Linear<W, W>>>>;
    for (const Batch& b : {test::plain(2, 5), test::ragged()})
      CHECK(forward<Layers>(b, mode::eval) == forward<Layers>(b, mode::train));
  }

  TEST_CASE("layers of one type share code, and stand where the pattern has them") {
    using A = Residual<LayerNorm<W>>;
    using B = Residual<Seq<test::Scan<W>, Linear<W, W>>>;
    using Mixed = Stack<2, 3, A, A, B, A>;
    CHECK((std::is_same_v<Mixed::children, Children<A, B>>));
    CHECK(Mixed::child_name(0) == "2 .. 3, 5 .. 7, ..., 13");
    CHECK(Mixed::child_name(1) == "4, 8, 12");
    CHECK(Mixed::parameters == 3 * (3 * A::parameters + B::parameters));
    std::vector<std::string> names;
    typename Mixed::template Weights<All<float>> weights{};
    Mixed::visit(weights, Place{}, [&](Tensor const& t, auto&) { names.push_back(t.name()); });
    CHECK(names[0] == "2.weight");
    CHECK(names[3] == "3.bias");
    CHECK(names[4] == "4.a");
    // The same numbers as of types that are told apart.
    struct Other : A {};
    for (const Batch& b : {test::plain(2, 5), test::ragged()}) {
      CHECK(forward<Mixed>(b, mode::eval) == forward<Stack<2, 3, A, Other, B, A>>(b, mode::eval));
      CHECK(forward<Mixed>(b, mode::eval) == forward<Mixed>(b, mode::train));
    }
  }

  TEST_CASE("dropout: none in inference, the same mask in training and recomputation, another one in each layer") {
    using D = Dropout<W, Rate{0.5F}>;
    const Batch b = test::plain(2, 5);
    const auto x = test::random_values(10 * W, 5);
    CHECK(forward<D>(b, mode::eval) == x);
    CHECK(forward<D>(b, mode::train) == forward<D>(b, mode::recompute));
    const auto twice = forward<Stack<0, 2, D>>(b, mode::train);
    int kept = 0;
    for (std::size_t i = 0; i < twice.size(); ++i) kept += twice[i] != 0;
    CHECK(kept > 5);  // 15 expected of 60; one mask used twice would keep 30
    CHECK(kept < 25);
  }

  TEST_CASE("a fused pair equals its two blocks") {
    using Fused = Seq<Linear<W, 9>, Gelu<9>, Linear<9, W>>;
    struct Plain : Gelu<9> {};  // another type: the peephole does not know it
    using Apart = Seq<Linear<W, 9>, Plain, Linear<9, W>>;
    const Batch b = test::plain(2, 5);
    CHECK(forward<Fused>(b, mode::train) == forward<Apart>(b, mode::train));
    CHECK(forward<Fused>(b, mode::eval) == forward<Apart>(b, mode::eval));
    const auto f = test::check_gradient<Fused>(b), a = test::check_gradient<Apart>(b);
    CHECK(f.dot == doctest::Approx(a.dot).epsilon(1e-14));
  }

  TEST_CASE("Recompute keeps nothing but states, and changes no bit") {
    using Layer = GptLayer<W, 2, true, Rate{0.2F}>;
    const Batch b = test::plain(2, 5);
    CHECK(forward<Recompute<Layer>>(b, mode::train) == forward<Layer>(b, mode::train));
    CHECK(saved_bytes<Recompute<Layer>>(test::shape_of(b)) == 0);
    CHECK(test::check_gradient<Recompute<Layer>>(b).dot == test::check_gradient<Layer>(b).dot);
  }

  TEST_CASE("a tap sees every labelled output under its full name") {
    using Layers = At<"h", Stack<0, 2, GptLayer<W, 2, true, Rate{0}>>>;
    std::vector<std::string> names;
    Tap<double> tap{[](void* user, Path const& p, bool, Matrix<const double> v) {
                      REQUIRE(v.rows() == 10);
                      static_cast<std::vector<std::string>*>(user)->push_back(p.str());
                    },
                    &names};
    forward<Layers>(test::plain(2, 5), mode::train, &tap);
    REQUIRE(names.size() == 17);  // eight in each layer, the fused c_fc among them, and h itself
    CHECK(names[0] == "h.0.ln_1");
    CHECK(names[1] == "h.0.attn.c_attn");
    CHECK(names[5] == "h.0.mlp.c_fc");
    CHECK(names[16] == "h");
  }

  TEST_CASE("faults are types that name the blocks and the numbers") {
    using Bad = Seq<Linear<4, 6>, At<"norm", LayerNorm<5>>>;
    CHECK((std::is_same_v<Bad::fault, widths_differ<Linear<4, 6>, LayerNorm<5>, 6, 5>>));
    using Deep = Stack<0, 2, Residual<Seq<LayerNorm<4>, Linear<4, 6>>>>;
    CHECK((std::is_same_v<Deep::fault, residual_changes_width<Seq<LayerNorm<4>, Linear<4, 6>>, 4, 6>>));
    CHECK((std::is_void_v<Gpt2::fault>));
    CHECK((!std::is_void_v<MultiHead<10, 3>::fault>));
    CHECK((!std::is_void_v<AttentionCore<3, 2, 4>::fault>));
  }

  TEST_CASE("explain prints names, shapes and counts") {
    const std::string t = explain<NanoGptCpu>();
    for (const char* s : {"transformer.wte", "c_attn", "Linear 128 -> 384", "49,152", "0 .. 3", "804,096"}) {
      CAPTURE(s);
      CHECK(t.find(s) != std::string::npos);
    }
    const std::string p = explain<NanoGptCpu, Ref<float>>(Shape{.sequences = 12, .length = 64});
    CHECK(p.find("saved") != std::string::npos);
  }

  TEST_CASE("the ledger is constexpr and agrees with the published arithmetic") {
    static_assert(parameters<Gpt2> == 124'439'808);
    static_assert(weights_bytes<NanoGptCpu>() >= 4 * parameters<NanoGptCpu>);
    constexpr MemoryPlan p = plan<NanoGptCpu, Ref<float>>(Shape{.sequences = 12, .length = 64});
    static_assert(p.moments == 2 * p.weights);
    static_assert(p.fits(p.total()) && !p.fits(p.total() - 1));
    // nanoGPT counts 6 N + 12 L H Q T a token, N without positions: 3.97 GFLOP for 12 x 64 tokens. Norm weights are in
    // its N.
    const double per_step = 768 * training_flops_per_token<NanoGptCpu>(64);
    CHECK(per_step == doctest::Approx(768 * (6 * (795'904.0 - 9 * 128) + 12.0 * 4 * 128 * 64)).epsilon(1e-12));
  }
}

}  // namespace test_compose
