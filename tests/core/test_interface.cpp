// The interface test: one toy model that uses everything a call can carry, at once, and what is done with it. If a
// later block needs the core to change, this test was too small.
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
#include <fauna/compose/recompute.hpp>
#include <fauna/compose/residual.hpp>
#include <fauna/compose/share.hpp>
#include <fauna/compose/stack.hpp>
#include <fauna/decode/cache.hpp>
#include <fauna/models/lm.hpp>
#include <fauna/ops/ref.hpp>
#include <fauna/train/trained.hpp>

#include "../support/dual_check.hpp"
#include "../support/toys.hpp"

namespace test_interface {

namespace {

using namespace fauna;
constexpr int W = 6, V = 5;

struct Recurrent
    : Residual<
          At<"mix", Seq<At<"norm", LayerNorm<W>>, At<"in", Linear<W, W>>, At<"conv", test::Taps<W>>,
                        test::CarryMix<"v_first", W>, At<"scan", test::Scan<W>>, Gelu<W>, Dropout<W, Rate{0.25F}>>>> {};
/// The same without what draws or is carried.
struct Plain : Residual<Seq<LayerNorm<W>, At<"conv", test::Taps<W>>, At<"scan", test::Scan<W>>, Linear<W, W>>> {};
struct Attending : Residual<Seq<At<"norm", LayerNorm<W>>, At<"attn", CausalAttention<W, 2, true, Rate{0.2F}>>>> {};
struct Sharing
    : Residual<
          At<"ffn", Seq<At<"up", Linear<W, 2 * W>>, Gelu<2 * W, activation::gelu_tanh>, At<"down", Linear<2 * W, W>>,
                        Use<"shared", Linear<W, W>>, At<"balance", test::Balance<W>>, test::SquareLoss<W>>>> {};
using Layers = Stack<0, 2, Recompute<Recurrent>, Attending, Sharing>;
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

View<const double, dyn, W> in(std::vector<double> const& v) { return View<const double, dyn, W>(v.data(), 6); }
View<double, dyn, W> out(std::vector<double>& v) { return View<double, dyn, W>(v.data(), 6); }

}  // namespace

TEST_SUITE("interface") {
  TEST_CASE("a toy with everything: dual numbers agree with backward") {
    const Batch b = everything();
    const std::size_t n = test::weight_count<Toy>(), m = test::state_count<Toy>(b);
    REQUIRE(n == Toy::parameters + 2 * W);  // two buffers
    REQUIRE(m == 3 * 2 * 2 * W);            // a convolution's last row and a recurrence, in two layers
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

  TEST_CASE("decoding: states of one size beside a cache of keys, a row at a time as all at once") {
    Trained<Toy, Ref<float>> m(seed{1});
    static_assert(!ConstantState<Toy> && ConstantState<Recurrent> && context_of<Toy> == unbounded);
    const int text[] = {1, 4, 2, 0, 3, 3, 1, 2};
    std::vector<float> whole(8 * V), steps(8 * V), two(2 * V);
    m.prepare_inference({.sequences = 2, .length = 8, .context = 8});
    m.logits(Batch::uniform(1, 8, text), logit_rows::all, Matrix<float>(whole.data(), 8, V));
    CHECK_THROWS_WITH_AS((Cache<Toy, Ref<float>>(1)), doctest::Contains("no context"), error);
    Cache<Toy, Ref<float>> cache(1, 8), others(2, 6);
    for (int r = 0; r < 8; ++r) {
      if (r == 3) cache.copy(0, others, 1);
      m.logits(cache, Batch::uniform(1, 1, text + r), logit_rows::all, Matrix<float>(steps.data() + r * V, 1, V));
    }
    CHECK(steps == whole);
    // Sequence 1 goes on where the other cache was; sequence 0 begins, ends, and leaves its row of logits as it likes.
    const int both[] = {text[0], text[3], text[4], text[5]}, ragged[] = {0, 1, 4}, finished[] = {0, 0, 1};
    Batch b;
    b.sequences = 2;
    b.rows = 4;
    b.offsets = ragged;
    b.tokens = both;
    CHECK(others.length(1) == 3);
    const auto mark = others.mark();
    for (int twice = 0; twice < 2; ++twice) {
      m.logits(others, b, logit_rows::last, Matrix<float>(two.data(), 2, V));
      CHECK(std::equal(two.begin(), two.begin() + V, whole.begin()));
      CHECK(std::equal(two.begin() + V, two.end(), whole.begin() + 5 * V));
      others.rewind(mark);
      CHECK(others.length(0) == 0);
    }
    m.logits(others, b, logit_rows::none, Matrix<float>());
    others.clear(1);
    b.rows = 1;
    b.offsets = finished;
    m.logits(others, b, logit_rows::last, Matrix<float>(two.data(), 2, V));
    CHECK(std::equal(two.begin() + V, two.end(), whole.begin()));
    auto read = Cache<Toy, Ref<float>>::deserialise(others.serialise());
    CHECK(read.length(0) == 1);
    CHECK(read.mark() == others.mark());
    std::string bad = others.serialise();
    bad[16] = 7;  // a context that its states were not written for
    CHECK_THROWS_AS((Cache<Toy, Ref<float>>::deserialise(bad)), error);
  }

  TEST_CASE("rounds: some of a stack's, one after another, each announced") {
    using Trunk = Stack<0, 3, Plain>;
    const Batch b = Batch::uniform(2, 3);
    const test::Backward<Trunk> whole(b);
    struct Heard {
      std::vector<int> all;
      static void hear(void* self, int round, bool backward, bool before) {
        static_cast<Heard*>(self)->all.push_back(100 * round + 10 * backward + before);
      }
    } heard;
    const Rounds first{.from = 0, .to = 1, .announce = Heard::hear, .user = &heard},
        rest{.from = 1, .announce = Heard::hear, .user = &heard};
    test::Pass<Trunk, double> p(b, test::random_values(test::weight_count<Trunk>(), 1),
                                std::vector<double>(test::state_count<Trunk>(b)));
    test::set_state<Trunk>(p.dstate, std::vector<double>(test::state_count<Trunk>(b)));
    const auto x = test::random_values(6 * W, 5), dy = test::random_values(6 * W, 7);
    std::vector<double> middle(6 * W), y(6 * W), d_middle(6 * W), dx(6 * W);
    p.call.rounds = &first;
    Trunk::forward(p.call, p.w, p.state, in(x), out(middle), p.saved);
    p.call.rounds = &rest;
    Trunk::forward(p.call, p.w, p.state, in(middle), out(y), p.saved);
    Trunk::backward(p.call, p.w, p.dw, in(middle), p.saved, in(dy), out(d_middle), p.dstate);
    p.call.rounds = &first;
    Trunk::backward(p.call, p.w, p.dw, in(x), p.saved, in(d_middle), out(dx), p.dstate);
    CHECK(y == whole.y);
    CHECK(dx == whole.dx);
    CHECK(p.gradients == whole.gradients);
    CHECK(heard.all == std::vector<int>{1, 0, 101, 100, 201, 200, 211, 210, 111, 110, 11, 10});
    const Rounds none{.from = 2, .to = 2};
    p.call.rounds = &none;
    CHECK_THROWS_WITH_AS(Trunk::forward(p.call, p.w, p.state, in(x), out(y), p.saved),
                         doctest::Contains("rounds 2 to 2, expected at least one of the 3"), error);
  }

  TEST_CASE("training in pieces: what a piece leaves the next enters with, and gradients go back through both") {
    using Text = Lm<At<"wte", Embedding<V, W>>, At<"h", Stack<0, 2, Plain>>, TiedHead<W, V>>;
    static_assert(ConstantState<Text>);
    Trained<Text, Ref<double>> whole(seed{3}), pieces(seed{3});
    const int ids[] = {1, 4, 2, 0, 3, 3}, next[] = {4, 2, 0, 3, 3, 1};
    whole.prepare_training({.sequences = 1, .length = 6});
    pieces.prepare_training({.sequences = 1, .length = 3});
    const double loss = whole.accumulate(Batch::uniform(1, 6, ids, next));
    const Batch first = Batch::uniform(1, 3, ids, next), second = Batch::uniform(1, 3, ids + 3, next + 3);
    // The first piece by inference, for the state that it leaves; then backwards, from the last piece to the first.
    using State = Cache<Text, Ref<double>>;
    State start(1), left(1), gradient(1);
    pieces.prepare_inference({.sequences = 1, .length = 3});
    pieces.logits(left, first, logit_rows::none, Matrix<double>());
    CHECK(left.length(0) == 3);
    double parts = pieces.accumulate(left, gradient, second, 0.5);
    CHECK(left.length(0) == 6);
    parts += pieces.accumulate(start, gradient, first, 0.5);
    CHECK(parts / 2 == doctest::Approx(loss).epsilon(1e-14));
    double largest = 0;
    for (std::size_t k = 0; k < whole.parameters().size(); ++k) {
      const auto a = whole.gradient(whole.parameters()[k]), g = pieces.gradient(pieces.parameters()[k]);
      CAPTURE(whole.parameters()[k].name);
      for (int r = 0; r < a.rows(); ++r)
        for (int c = 0; c < a.cols(); ++c) {
          CHECK(g(r, c) == doctest::Approx(a(r, c)).epsilon(1e-12));
          largest = std::fmax(largest, std::fabs(a(r, c)));
        }
    }
    CHECK(largest > 1e-3);
    // The gradient of the entering state, which would train an initial one.
    double entering = 0;
    for (double g : gradient.mark().recurrent) entering += g * g;
    CHECK(entering > 0);
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

}  // namespace test_interface
