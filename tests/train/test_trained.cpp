// A model with its memory: what is frozen, side losses, and doing other things in the middle of training. On a toy with
// a recurrent state and side losses at each of its layers and in its prediction of further tokens.
#include <doctest/doctest.h>

#include <algorithm>
#include <memory>

#include <fauna/blocks/embedding.hpp>
#include <fauna/blocks/norm.hpp>
#include <fauna/compose/residual.hpp>
#include <fauna/compose/stack.hpp>
#include <fauna/models/gpt.hpp>
#include <fauna/ops/ref.hpp>
#include <fauna/text/chars.hpp>
#include <fauna/train/train.hpp>

#include "../support/temporary.hpp"
#include "../support/toys.hpp"

namespace test_trained {

using namespace fauna;

namespace {

constexpr int V = 7, W = 6, T = 5;
struct Layer : Residual<Seq<At<"norm", LayerNorm<W>>, At<"scan", test::Scan<W>>, At<"ffn", test::SquareLoss<W>>,
                            At<"proj", Linear<W, W>>>> {};
struct Toy : Lm<At<"wte", Embedding<V, W>>, At<"h", Stack<0, 2, Layer>>, TiedHead<W, V>,
                Mtp<At<"mtp", Seq<Linear<2 * W, W>, test::SquareLoss<W>>>, Rate{0.3F}>> {};
using Model = Trained<Toy, Ref<float>>;

struct Text {
  std::vector<int> tokens, targets;
  explicit Text(int n) {
    for (int i = 0; i < n; ++i) {
      tokens.push_back((i * i + 1) % V);
      targets.push_back((i * i + 2 * i + 2) % V);
    }
  }
  Batch batch(int sequences) const { return Batch::uniform(sequences, T, tokens.data(), targets.data()); }
};
const Text text(8 * T);

template <class M> std::vector<float> all_values(M const& model) {
  std::vector<float> v;
  for (auto const& p : model.parameters()) v.insert(v.end(), model.value(p).data(), model.value(p).data() + p.size());
  return v;
}

/// y = x. Evaluation takes more scratch than a training step does.
template <int W> struct NeedsMoreToEvaluate : SameWidth<W> {
  static constexpr const char* kind_name = "NeedsMoreToEvaluate";
  template <class B> static constexpr void plan_scratch(Shape const& s, Arena& a) {
    if (!s.backward) plan_workspace(4096U * static_cast<std::size_t>(s.rows()), a);
  }
  template <class C, class Ws, class St, class X, class Y, class Sv>
  static void forward(C const& c, Ws const&, St&, X x, Y y, Sv&) {
    Scope s(c.scratch());
    if (!c.keeps()) c.scratch().template take<std::byte>(4096U * static_cast<std::size_t>(x.rows()));
    add<typename C::backend_type>::run(c.backend, x, {}, y);
  }
  template <class C, class Ws, class G, class X, class Sv, class DY, class DX, class St>
  static void backward(C const& c, Ws const&, G&, X, Sv&, DY dy, DX dx, St&) {
    add<typename C::backend_type>::run(c.backend, dy, {}, dx);
  }
};

double squares(Model const& m, Parameter const& p) {
  double sum = 0;
  for (std::size_t i = 0; i < p.size(); ++i)
    sum += static_cast<double>(m.gradient(p).data()[i]) * m.gradient(p).data()[i];
  return sum;
}

}  // namespace

TEST_SUITE("trained") {
  TEST_CASE("memory for many sequences serves fewer, with the same bits, and no more than it was prepared for") {
    Model few(seed{1}), many(seed{1});
    few.prepare_training({.sequences = 2, .length = T});
    many.prepare_training({.sequences = 5, .length = T});
    CHECK(many.accumulate(text.batch(2)) == few.accumulate(text.batch(2)));
    for (auto const& p : few.parameters()) {
      const auto a = few.gradient(p), b = many.gradient(many.parameter(p.name));
      CAPTURE(p.name);
      CHECK(std::equal(a.data(), a.data() + a.size(), b.data()));
    }
    many.accumulate(text.batch(5));  // all of it again
    const Text more(1000 * T);
    CHECK_THROWS_WITH_AS(many.accumulate(more.batch(1000)), doctest::Contains("larger than what was prepared for"),
                         error);
  }

  TEST_CASE("what is prepared for training can evaluate, whichever of the two takes more scratch") {
    struct Evaluated : Lm<At<"wte", Embedding<V, W>>, NeedsMoreToEvaluate<W>, TiedHead<W, V>> {};
    Trained<Evaluated, Ref<float>> m(seed{1});
    m.prepare_training({.sequences = 2, .length = T});
    const double loss = m.accumulate(text.batch(2));
    std::vector<float> losses(2 * T);
    m.losses(text.batch(2), losses.data());
    double sum = 0;
    for (const float l : losses) sum += static_cast<double>(l);
    CHECK(sum / (2 * T) == doctest::Approx(loss));
    CHECK(m.planned().scratch == (plan<Evaluated, Ref<float>>({.sequences = 2, .length = T}).scratch));
    CHECK(m.planned().scratch >= 4096U * 2 * T);
  }

  TEST_CASE("a frozen tensor gathers no gradient, and trains on from where it was") {
    Model m(seed{1}), other(seed{1});
    for (auto* each : {&m, &other}) each->prepare_training({.sequences = 2, .length = T});
    m.accumulate(text.batch(2));
    CHECK(m.freeze("h.0.*") == 5);
    for (int i = 0; i < 4; ++i) {
      m.accumulate(text.batch(2));
      for (auto const& p : m.parameters()) {
        CAPTURE(p.name);
        CHECK((squares(m, p) > 0) == !matches("h.0.*", p.name));
      }
    }
    m.clear_gradients();
    m.freeze("*", false);
    m.accumulate(text.batch(2));
    other.accumulate(text.batch(2));
    for (std::size_t i = 0; i < m.parameters().size(); ++i)
      CHECK(squares(m, m.parameters()[i]) == squares(other, other.parameters()[i]));
    m.update({});
    other.update({});
    CHECK(all_values(m) == all_values(other));
  }

  TEST_CASE("what is frozen before the plan takes no memory in it, and can train later all the same") {
    Model early(seed{3}), late(seed{3}), all(seed{3});
    const Shape shape{.sequences = 2, .length = T};
    early.freeze("*proj*");
    early.prepare_training(shape);
    late.prepare_training(shape);
    late.freeze("*proj*");
    all.prepare_training(shape);
    CHECK(early.planned().gradients < all.planned().gradients);
    CHECK(early.planned().moments == 2 * early.planned().gradients);
    CHECK(late.planned().gradients == all.planned().gradients);
    CHECK(all.planned().total() ==
          plan<Toy, Ref<float>>(Shape{.sequences = 2, .length = T, .threads = all.threads()}).total());
    for (int i = 0; i < 6; ++i) {
      if (i == 3)
        for (Model* m : {&early, &late}) m->freeze("*proj*", false);
      for (Model* m : {&early, &late}) {
        m->accumulate(text.batch(2));
        m->update({});
      }
    }
    CHECK(all_values(early) == all_values(late));
  }

  TEST_CASE("training, evaluation and inference in any order leave training's bits as they are") {
    const auto run = [](auto&& between) {
      Model m(seed{1});
      m.prepare_training({.sequences = 8, .length = T});
      for (int i = 0; i < 4; ++i) {
        m.accumulate(text.batch(8));
        m.update({});
        between(m, i);
      }
      return all_values(m);
    };
    const auto want = run([](Model&, int) {});
    std::vector<float> y(8 * T * V), losses(8 * T);
    const auto infers = [&](Model& m, int) {
      m.prepare_inference({.sequences = 1, .length = 2});
      m.logits(Batch::uniform(1, 2, text.tokens.data()), logit_rows::last, Matrix<float>(y.data(), 1, V));
    };
    const auto evaluates = [&](Model& m, int) { m.losses(text.batch(8), losses.data()); };
    CHECK(run(infers) == want);
    CHECK(run(evaluates) == want);
    CHECK(run([&](Model& m, int i) {
            infers(m, i);
            evaluates(m, i);
          }) == want);
  }

  TEST_CASE("side losses: a slot for each place and name, counted with their weights") {
    Model m(seed{1});
    m.prepare_training({.sequences = 2, .length = T});
    const double loss = m.accumulate(text.batch(2));
    std::vector<std::string> names;
    double side = 0;
    for (auto const& s : m.side_losses()) {
      names.push_back(s.name);
      side += s.weight * s.value;
      CHECK(s.weight == (s.name.find("square") == std::string::npos ? 2 : 0.5));
    }
    CHECK(names == std::vector<std::string>{"h.0.ffn.square", "h.0.ffn.sum", "h.1.ffn.square", "h.1.ffn.sum",
                                            "mtp.square", "mtp.sum"});
    std::vector<float> losses(2 * T);
    m.losses(text.batch(2), losses.data());

    m.weigh_side_losses({{"*", 0}});
    m.clear_gradients();
    const double without = m.accumulate(text.batch(2));
    CHECK(loss == doctest::Approx(without + side).epsilon(1e-6));
    CHECK(std::abs(side) > 0.1);
    m.weigh_side_losses({{"*", 0}, {"h.1.*.square", 3}});
    const double one = m.accumulate(text.batch(2));
    CHECK(one == doctest::Approx(without + 3 * m.side_losses()[2].value).epsilon(1e-6));
    // Twice in a row: the slots start from zero each time.
    CHECK(m.accumulate(text.batch(2)) == one);
  }

  TEST_CASE("a run's metrics name its side losses") {
    TemporaryFolder folder;
    Model m(seed{1});
    const CharText letters = CharText::from_string("abcdefgabcdgfedcbaabcdefgabcdgfedcbaabcdefgabcdgfedcba");
    TrainOptions o;
    o.steps = 2;
    o.batch = 2;
    o.context = T;
    o.eval_interval = 0;
    o.log_interval = 1;
    o.out = folder.path();
    o.print = nullptr;
    o.side_weights = {{"mtp.*", 0}};
    train(m, letters, o);
    const std::string metrics = read_file(folder / "metrics.jsonl");
    CHECK(metrics.find("\"side\": {\"h.0.ffn.square\": ") != std::string::npos);
    CHECK(metrics.find(", \"mtp.sum\": ") != std::string::npos);
    CHECK(m.side_losses().back().weight == 0);
  }

  TEST_CASE("initial values go by name: a model with more tensors starts from the same others") {
    using Plain = Gpt<GptConfig{.layers = 2, .heads = 2, .width = 8, .context = 4, .vocab = 5, .bias = false}>;
    using More = Gpt<GptConfig{.layers = 2, .heads = 2, .width = 8, .context = 4, .vocab = 5}>;
    const Trained<Plain, Ref<float>> a(seed{4});
    const Trained<More, Ref<float>> b(seed{4});
    const Trained<More, Ref<float>> other(seed{5});
    CHECK(b.parameters().size() > a.parameters().size());
    for (auto const& p : a.parameters()) {
      CAPTURE(p.name);
      const auto values = [&](auto const& m) {
        const float* from = m.value(m.parameter(p.name)).data();
        return std::vector<float>(from, from + p.size());
      };
      CHECK(values(a) == values(b));
      if (p.rank == 2) CHECK(values(a) != values(other));
    }
  }

  TEST_CASE("many tensors: what is frozen comes back by name") {
    constexpr int layers = 5000;
    using Deep = Lm<At<"wte", Embedding<3, 2>>, At<"h", Stack<0, layers, Residual<LayerNorm<2>>>>, TiedHead<2, 3>>;
    TemporaryFolder folder;
    auto m = std::make_unique<Trained<Deep, Ref<float>>>(seed{1}),
         read = std::make_unique<Trained<Deep, Ref<float>>>(seed{2});
    CHECK(m->parameters().size() == 2 * layers + 1);
    m->prepare_training({.sequences = 1, .length = 1});
    read->prepare_training({.sequences = 1, .length = 1});
    const int frozen = m->freeze("h.*7.bias");
    CHECK(frozen == layers / 10);
    save_checkpoint(folder / "deep.safetensors", *m, {});
    load_checkpoint(folder / "deep.safetensors", *read);
    for (std::size_t i = 0; i < m->parameters().size(); ++i)
      CHECK(read->parameters()[i].trainable == m->parameters()[i].trainable);
  }
}

}  // namespace test_trained
