// The interface test: one toy model that uses everything a call can carry, at once. If a later block needs the core to
// change, this test was too small.
//   a hybrid pattern of three layers · one block shared by all of them · a carried stream · dropout · two side losses ·
//   a tied embedding · multi-token prediction · packed documents · ragged sequences · a tree mask · gradient
//   accumulation · recompute · gradients into and out of a recurrent state · a buffer with its hook · a tensor of three
//   file dimensions · initial values of its own · frozen weights
#include <doctest/doctest.h>

#include <algorithm>

#include <fauna/blocks/activation.hpp>
#include <fauna/blocks/attention.hpp>
#include <fauna/blocks/embedding.hpp>
#include <fauna/blocks/norm.hpp>
#include <fauna/compose/checkpoint.hpp>
#include <fauna/compose/residual.hpp>
#include <fauna/compose/share.hpp>
#include <fauna/compose/stack.hpp>
#include <fauna/models/lm.hpp>
#include <fauna/ops/ref.hpp>
#include <fauna/train/trained.hpp>

#include "../support/dual_check.hpp"
#include "../support/toys.hpp"

namespace {

using namespace fauna;
constexpr int W = 6, V = 5;

struct Recurrent
    : Residual<
          At<"mix", Seq<At<"norm", LayerNorm<W>>, At<"in", Linear<W, W>>, At<"conv", test::Taps<W>>,
                        test::CarryMix<"v_first", W>, At<"scan", test::Scan<W>>, Gelu<W>, Dropout<W, Rate{0.25F}>>>> {};
struct Attending : Residual<Seq<At<"norm", LayerNorm<W>>, At<"attn", CausalAttention<W, 2, true, Rate{0.2F}>>>> {};
struct Sharing
    : Residual<
          At<"ffn", Seq<At<"up", Linear<W, 2 * W>>, Gelu<2 * W, activation::gelu_tanh>, At<"down", Linear<2 * W, W>>,
                        Use<"shared", Linear<W, W>>, At<"balance", test::Balance<W>>, test::SquareLoss<W>>>> {};
using Layers = Stack<0, 2, Checkpoint<Recurrent>, Attending, Sharing>;
struct Trunk : Share<"shared", Linear<W, W>,
                     Carry<"v_first", W,
                           Seq<At<"wpe", LearnedPosition<8, W>>, Dropout<W, Rate{0.1F}>, At<"layers", Layers>,
                               At<"norm", LayerNorm<W>>>>> {};
struct Toy : Lm<At<"wte", Embedding<V, W>>, Trunk, TiedHead<W, V>, Mtp<At<"mtp", Linear<2 * W, W>>, Rate{0.3F}>> {};
static_assert(legal<Toy::fault>());

// Three sequences of 7, 4 and 1 rows. The first packs two documents; the second is a tree: row 9 and row 10 both
// continue row 8. Row 6 has no target.
const int offsets[] = {0, 7, 11, 12};
const int tokens[] = {1, 4, 2, 0, 3, 3, 1, 2, 2, 0, 4, 1};
const int targets[] = {4, 2, 0, -1, 3, 1, -1, 2, 0, 4, 3, 2};
const int documents[] = {0, 0, 0, 0, 4, 4, 4, 7, 7, 7, 7, 11};
const int positions[] = {0, 1, 2, 3, 0, 1, 2, 0, 1, 2, 2, 0};
const int parents[] = {-1, 0, 1, 2, 3, 4, 5, -1, 7, 8, 8, -1};

Batch everything() {
  Batch b;
  b.sequences = 3;
  b.rows = 12;
  b.offsets = offsets;
  b.tokens = tokens;
  b.targets = targets;
  b.positions = positions;
  b.document_start = documents;
  b.parent = parents;
  return b;
}

}  // namespace

TEST_SUITE("interface") {
  TEST_CASE("a toy with everything: dual numbers agree with backward") {
    const Batch b = everything();
    const std::size_t n = test::weight_count<Toy>(), m = test::state_count<Toy>(b);
    REQUIRE(n == Toy::parameters + 2 * W);  // two buffers
    REQUIRE(m == 3 * 2 * W);
    const auto w = test::random_values(n, 1), wd = test::weight_direction<Toy>(2), s = test::random_values(m, 3),
               sd = test::random_values(m, 4), probe = test::random_values(m, 5);

    test::Comparison result;
    double value = 0;
    {
      test::Pass<Toy, Dual> p(b, test::dual(w, wd), test::dual(s, sd));
      Dual loss = Toy::forward(p.call, p.w, p.dw, p.state, p.saved);
      const auto left = test::flat_state<Toy, Dual>(p.state);
      for (std::size_t i = 0; i < m; ++i) loss += probe[i] * left[i];
      result.dual = loss.d;
      value = loss.v;
    }
    test::Pass<Toy, double> p(b, w, s);
    double loss = Toy::forward(p.call, p.w, p.dw, p.state, p.saved);
    const auto left = test::flat_state<Toy, double>(p.state);
    for (std::size_t i = 0; i < m; ++i) loss += probe[i] * left[i];
    CHECK(loss == doctest::Approx(value).epsilon(1e-14));
    test::set_state<Toy>(p.dstate, probe);
    p.scratch_memory.poison();
    Toy::backward(p.call, p.w, p.dw, p.saved, p.dstate);
    result.add(p.gradients, wd);
    result.add(test::flat_state<Toy, double>(p.dstate), sd);
    MESSAGE("relative error " << result.error());
    CHECK(result.error() <= 1e-12);
    for (double g : p.gradients) CHECK(std::isfinite(g));
  }

  TEST_CASE("gradients of two micro-batches of half weight add up to one of full weight") {
    const Batch b = everything();
    const auto w = test::random_values(test::weight_count<Toy>(), 1),
               s = test::random_values(test::state_count<Toy>(b), 3);
    auto gradients = [&](int times) {
      test::Pass<Toy, double> p(b, w, s);
      p.call.loss_scale = 1.0 / times;
      for (int i = 0; i < times; ++i) {
        test::set_state<Toy>(p.state, s);
        test::set_state<Toy>(p.dstate, std::vector<double>(s.size()));
        Toy::forward(p.call, p.w, p.dw, p.state, p.saved);
        Toy::backward(p.call, p.w, p.dw, p.saved, p.dstate);
      }
      return p.gradients;
    };
    const auto once = gradients(1), twice = gradients(2);
    const auto moves = test::weight_direction<Toy>(2);  // zero for buffers: they count the rows of both
    for (std::size_t i = 0; i < once.size(); ++i)
      CHECK(twice[i] == doctest::Approx((moves[i] == 0 ? 2 : 1) * once[i]).epsilon(1e-13));
  }

  TEST_CASE("Trained runs it: the same loss, side losses included, and the same gradients") {
    const Batch b = everything();
    Trained<Toy, Ref<double>> m(seed{1});
    m.prepare_training(test::shape_of(b));
    const double loss = m.accumulate(b, 1, Key{42, 1});
    std::vector<double> w;
    for (auto const& p : m.parameters()) w.insert(w.end(), m.value(p).data(), m.value(p).data() + p.size());
    test::Pass<Toy, double> pass(b, w, {});
    typename Toy::State<double> none{};
    CHECK(Toy::forward(pass.call, pass.w, pass.dw, none, pass.saved) == loss);
    Toy::backward(pass.call, pass.w, pass.dw, pass.saved, none);
    std::vector<double> g;
    for (auto const& p : m.parameters()) g.insert(g.end(), m.gradient(p).data(), m.gradient(p).data() + p.size());
    CHECK(g == pass.gradients);
    std::vector<std::string> names;
    for (auto const& s : m.side_losses()) names.push_back(s.name);
    CHECK(names == std::vector<std::string>{"layers.2.ffn.square", "layers.2.ffn.sum", "layers.5.ffn.square",
                                            "layers.5.ffn.sum"});
  }

  TEST_CASE("Trained moves buffers by what gathered over micro-batches, and nothing of what is frozen") {
    const Batch b = everything();
    Trained<Toy, Ref<double>> m(seed{1});
    m.prepare_training(test::shape_of(b));
    Parameter const& offset = m.parameter("layers.2.ffn.balance.offset");
    CHECK(offset.is == role::buffer);
    CHECK(m.freeze("layers.3.*") > 0);
    CHECK(m.freeze("layers.5.ffn.balance.offset") == 1);
    const auto values = [&m](std::string const& pattern) {
      std::vector<double> v;
      for (auto const& p : m.parameters())
        if (matches(pattern, p.name)) v.insert(v.end(), m.value(p).data(), m.value(p).data() + p.size());
      return v;
    };
    // The taps start as their block draws them: 1, and an eighth of row + layer; files have three dimensions.
    const auto taps = m.value(m.parameter("layers.0.mix.conv.taps"));
    for (int r = 0; r < W; ++r) CHECK((taps(r, 0) == 1 && taps(r, 1) == r / 8.0));
    CHECK(m.parameter("layers.0.mix.conv.taps").rank == 3);
    CHECK(!m.parameter("layers.0.mix.conv.taps").decays);
    const auto frozen = values("layers.3.*"), still = values("layers.5.ffn.balance.offset"),
               moves = values("layers.0.*");
    for (int i = 0; i < 2; ++i) m.accumulate(b, 0.5);
    double times = 0;
    for (int i = 0; i < W; ++i) times += m.gradient(offset)(0, i);
    CHECK(times == 2 * b.rows);
    std::vector<double> want(W);
    test::Balance<W>::move({}, want.data(), m.gradient(offset).data());
    std::size_t seen = 0;
    m.reduce([&](double* all, std::size_t n) {
      for (std::size_t i = 0; i < n; ++i) seen += all[i] != 0;
    });
    CHECK(seen > 100);
    const UpdateReport norm = m.norm();
    CHECK(norm.gradient_norm > 0);
    m.update({}, norm);
    CHECK(values("layers.2.ffn.balance.offset") == want);
    CHECK(m.gradient(offset)(0, 0) == 0);
    CHECK(values("layers.3.*") == frozen);
    CHECK(values("layers.5.ffn.balance.offset") == still);
    CHECK(values("layers.0.*") != moves);
  }

  TEST_CASE("names are those of the composition, once each") {
    typename Toy::Weights<All<double>> w;
    std::vector<std::string> names;
    Toy::visit(w, Place{}, [&](Tensor const& t, auto&) { names.push_back(t.name()); });
    for (std::size_t i = 0; i < names.size(); ++i)
      for (std::size_t j = 0; j < i; ++j) CHECK(names[i] != names[j]);
    auto has = [&](const char* n) { return std::find(names.begin(), names.end(), n) != names.end(); };
    CHECK(names.front() == "wte.weight");
    CHECK(has("shared.weight"));
    CHECK(has("layers.3.mix.scan.a"));
    CHECK(has("layers.4.attn.c_attn.weight"));
    CHECK(has("layers.5.ffn.down.bias"));
    CHECK(has("mtp.weight"));
  }
}
