// Medusa's heads: their file, what they propose, and how they are trained, on a model that stays as it is and with it.
#include <doctest/doctest.h>

#include <fauna/models/gpt.hpp>
#include <fauna/train/medusa.hpp>

#include "../support/small_llamas.hpp"
#include "../support/temporary.hpp"
#include "../support/tree_check.hpp"

namespace test_medusa {

using namespace fauna;
using doctest::Contains;

namespace {

using Untied = test::Untied;
using Tied = Gpt<GptConfig{.layers = 1, .heads = 2, .width = 16, .context = 64, .vocab = 11}>;
using B = Cpu<>;
template <class M> using Rows = Loaded<M, B, All<float>>;

/// A text that the model itself writes.
template <class T> std::vector<int> own_text(T& model, int tokens) {
  std::vector<int> all;
  for (std::uint64_t i = 0; static_cast<int>(all.size()) < tokens; ++i) {
    const auto some = test::plain(model, test::some_tokens<typename T::model>(3, i),
                                  {.tokens = 60, .temperature = 0.3F, .top_k = 0, .seed = i, .context = 64});
    all.insert(all.end(), some.begin(), some.end());
  }
  return all;
}
MedusaWeights random_weights(int heads, int width, int vocab, bool own) {
  test::Random random(5);
  auto w = MedusaWeights::initial(heads, width, vocab);
  for (float& x : w.weight) x = random.uniform();
  for (float& x : w.bias) x = random.uniform();
  for (int i = 0; own && i < heads * vocab * width; ++i) w.own.push_back(random.uniform());
  return w;
}

}  // namespace

TEST_CASE("medusa: what is remembered of rows is what their logits come from, and stays with the branch that stays") {
  Loaded<Untied, B> model(test::lively<Untied, B>(1).weights(), 1);
  Reader<Loaded<Untied, B>, true> reader(model, 64);
  Reader<Loaded<Untied, B>> other(model, 64);
  const auto text = test::some_tokens<Untied>(9, 1);
  constexpr int vocab = Untied::vocab;
  const auto same = [](const float* a, const float* b) { return std::equal(a, a + vocab, b); };
  const float* const three = other.logits(text.data(), 9, 3, 9);
  const std::vector<float> want(three, three + 3 * vocab);
  CHECK(std::equal(want.begin(), want.end(), reader.logits(text.data(), 9, 3, 9)));
  for (int row = 6; row < 9; ++row) CHECK(same(reader.head(reader.hidden(row), 1), want.data() + (row - 6) * vocab));
  CHECK(reader.hidden(9) == nullptr);
  DraftTree tree;
  tree.add(1, -1);
  const int a = tree.add(2, -1);
  tree.add(3, 0);
  const int b = tree.add(4, a);
  const float* const rows = reader.tree_logits(text.data(), 9, tree);
  const std::vector<float> of_tree(rows, rows + 5 * vocab);
  reader.keep({a, b});
  CHECK(same(reader.head(reader.hidden(8), 1), of_tree.data()));
  CHECK(same(reader.head(reader.hidden(9), 1), of_tree.data() + 2 * vocab));
  CHECK(same(reader.head(reader.hidden(10), 1), of_tree.data() + 4 * vocab));
}

TEST_CASE("medusa: files have the published names, with heads of their own or without") {
  const TemporaryFolder folder;
  const std::string path = folder / "heads.safetensors";
  for (const bool own : {false, true}) {
    const auto w = random_weights(2, 4, 5, own);
    w.save(path);
    const SafeTensors file(path);
    CHECK(file.find("1.0.linear.weight")->text() == "F32 [4, 4]");
    CHECK((file.find("1.1.weight") != nullptr) == own);
    const auto again = MedusaWeights::from_file(path, 4, 5);
    CHECK(again.heads == 2);
    CHECK(again.weight == w.weight);
    CHECK(again.bias == w.bias);
    CHECK(again.own == w.own);
  }
  CHECK_THROWS_WITH_AS(MedusaWeights::from_file(path, 6, 5), Contains("0.0.linear.weight F32 [4, 4]"), error);
  CHECK_THROWS_WITH_AS(MedusaWeights::from_file(path, 4, 6), Contains("0.1.weight F32 [5, 4]"), error);
  const std::vector<float> zeros(16);
  const auto bytes = reinterpret_cast<const std::byte*>(zeros.data());
  const auto tensor = [&](const char* name, std::vector<std::size_t> shape) {
    SafeTensor t;
    t.name = name;
    t.dtype = "F32";
    t.shape = shape;
    t.data = bytes;
    t.bytes = 4 * t.elements();
    return t;
  };
  const auto refused = [&](std::vector<SafeTensor> const& all, const char* words) {
    write_safetensors(path, all);
    CHECK_THROWS_WITH_AS(MedusaWeights::from_file(path, 4, 5), Contains(words), error);
  };
  const auto weight = tensor("medusa_head.0.0.linear.weight", {4, 4}),
             bias = tensor("medusa_head.0.0.linear.bias", {4});
  refused({weight}, "has no medusa_head.0.0.linear.bias");
  refused({weight, bias, tensor("medusa_head.0.1.linear.weight", {4, 4})},
          "has the tensor medusa_head.0.1.linear.weight");
  refused({tensor("lm_head.weight", {4, 4})}, "has no heads");
  write_safetensors(path, {weight, bias});
  CHECK(MedusaWeights::from_file(path, 4, 5).heads == 1);
}

TEST_CASE("medusa: a head is h + silu(W h + b), and heads of the model's width and vocabulary alone are taken") {
  auto w = random_weights(2, 3, 4, true);
  const float h[] = {0.5F, -1, 2};
  float z[6], y[8];
  w.rows(h, z);
  w.logits(z, y);
  double a = static_cast<double>(w.bias[3 + 1]);
  for (int i = 0; i < 3; ++i) a += static_cast<double>(w.of_weight(1)[3 + i]) * static_cast<double>(h[i]);
  CHECK(static_cast<double>(z[3 + 1]) == doctest::Approx(-1 + a / (1 + std::exp(-a))).epsilon(1e-6));
  double sum = 0;
  for (int i = 0; i < 3; ++i)
    sum += static_cast<double>(w.own[12 + 6 + static_cast<std::size_t>(i)]) * static_cast<double>(z[3 + i]);
  CHECK(static_cast<double>(y[4 + 2]) == doctest::Approx(sum).epsilon(1e-6));
  Loaded<Untied, B> model(test::lively<Untied, B>(1).weights(), 1);
  Reader<Loaded<Untied, B>, true> reader(model, 64);
  CHECK_THROWS_WITH_AS(MedusaHeads(reader, w),
                       Contains("heads of width 3 and vocabulary 4, expected the model's 16 and 13"), error);
}

TEST_CASE_TEMPLATE("medusa: trained heads are right more often, whatever they say the text is plain decoding's", M,
                   Untied, Tied) {
  const auto trained = test::lively<M, B>(1);
  Rows<M> rows(trained.weights(), 1);
  Loaded<M, B> model(trained.weights(), 1);
  const auto ids = own_text(model, 3000);
  std::vector<float> first, last;
  const MedusaOptions how{.heads = 2, .steps = 150, .batch = 4, .context = 32, .lr = 1e-2};
  const auto heads =
      train_medusa(rows, ids, how, [&](int step, std::vector<float> const& losses, MedusaWeights const&) {
        if (step == 0) first = losses;
        last = losses;
      });
  for (std::size_t k = 0; k < 2; ++k) CHECK(last[k] < 0.8F * first[k]);
  Reader<Loaded<M, B>, true> reader(model, 64);
  const auto run = [&](MedusaWeights const& w, GenerateOptions const& o, int nodes) {
    MedusaHeads drafter(reader, w, nodes);
    const auto prompt = test::some_tokens<M>(5, 77);
    const auto got = speculate(reader, drafter, prompt, {.text = o, .draft = 2});
    CHECK(got.ids == test::plain(model, prompt, o));
    return got.counts.tokens_per_step();
  };
  for (auto const& o : test::ways(40)) {
    run(random_weights(2, M::width, M::vocab, true), o, 6);
    run(heads, o, 1);
  }
  const GenerateOptions greedy{.tokens = 55, .temperature = 0, .top_k = 0, .context = 64};
  const double before = run(MedusaWeights::initial(2, M::width, M::vocab), greedy, 6), after = run(heads, greedy, 6);
  MESSAGE("tokens a step: ", before, ", and with trained heads ", after);
  CHECK(after > before);
  CHECK(after > 1.3);
}

TEST_CASE("medusa: what heads cost goes on into the rows that they read") {
  constexpr int d = 6;
  const MedusaOptions how{.heads = 2, .steps = 1, .batch = 1, .context = 3};
  const std::vector<int> ids(20);
  medusa_detail::Learner<B> learner(ids, how, d, 5, 1);
  const auto some = random_weights(2, d, 5, false);
  learner.weights.weight = some.weight, learner.weights.bias = some.bias;
  (void)learner.draw(0);
  test::Random random(7);
  test::Rows<float> h(random, 3, d), price(random, 3, d);
  // A head whose loss is linear in its rows.
  const auto head = [&](Matrix<const float> z, const int*, float factor, float* losses, Matrix<float> dz) {
    for (int r = 0; r < 3; ++r) {
      losses[r] = 0;
      for (int c = 0; c < d; ++c) losses[r] += price.view()(r, c) * z(r, c), dz(r, c) = factor * price.view()(r, c);
    }
  };
  const auto loss = [&] {
    auto const& of_heads = learner.pass(h, 1, {}, head);
    return 0.5 * (static_cast<double>(of_heads[0]) + 0.8 * static_cast<double>(of_heads[1]));
  };
  test::Rows<float> dh(3, d);
  for (int r = 0; r < 3; ++r)
    for (int c = 0; c < d; ++c) dh.view()(r, c) = 2;
  (void)learner.pass(h, 0.5, dh, head);
  for (int r = 0; r < 3; ++r)
    for (int c = 0; c < d; ++c) {
      constexpr float step = 1.0F / 64;
      float& x = h.view()(r, c);
      const float before = x;
      x = before + step;
      const double above = loss();
      x = before - step;
      const double slope = (above - loss()) / (2 * static_cast<double>(step));
      x = before;
      // f32 sums of a few terms, and the third derivative times step²/6.
      CHECK(static_cast<double>(dh.view()(r, c)) - 2 == doctest::Approx(slope).epsilon(2e-3).scale(1));
    }
}

TEST_CASE("medusa: the gradient of heads with matrices of their own is the losses' slope") {
  constexpr int d = 4, vocab = 5;
  const MedusaOptions how{.heads = 2, .steps = 1, .batch = 1, .context = 3};
  std::vector<int> ids;
  for (int i = 0; i < 20; ++i) ids.push_back(i % vocab);
  medusa_detail::Learner<B> learner(ids, how, d, vocab, 1);
  learner.give(std::vector<float>(vocab * d));
  auto& w = learner.weights;
  w = random_weights(2, d, vocab, true);
  (void)learner.draw(0);
  test::Random random(7);
  const test::Rows<float> h(random, 3, d);
  const auto none = [](auto&&...) { FAIL("the model's head was asked"); };
  const auto loss = [&] {
    auto const& of_heads = learner.pass(h, 1, {}, none);
    return static_cast<double>(of_heads[0]) + 0.8 * static_cast<double>(of_heads[1]);
  };
  for (int pass = 0; pass < 2; ++pass) (void)loss();  // what a pass before left does not count
  const MedusaWeights got = learner.gradient;
  for (const auto part : {&MedusaWeights::weight, &MedusaWeights::bias, &MedusaWeights::own})
    for (std::size_t i = 0; i < (w.*part).size(); ++i) {
      constexpr float step = 1.0F / 64;
      float& x = (w.*part)[i];
      const float before = x;
      x = before + step;
      const double above = loss();
      x = before - step;
      const double slope = (above - loss()) / (2 * static_cast<double>(step));
      x = before;
      // f32 losses, and the third derivative times step²/6.
      CHECK(static_cast<double>((got.*part)[i]) == doctest::Approx(slope).epsilon(2e-3).scale(0.1));
    }
}

TEST_CASE("medusa: matrices of the heads' own start as the model's, learn, and draft from their file") {
  const auto trained = test::lively<Tied, B>(1);
  Rows<Tied> rows(trained.weights(), 1);
  Loaded<Tied, B> model(trained.weights(), 1);
  const auto ids = own_text(model, 2000);
  MedusaOptions how{.heads = 2, .steps = 100, .batch = 3, .context = 4, .lr = 1e-2};  // 12 rows: fewer than columns
  std::vector<float> first[2], last[2];
  MedusaWeights heads;
  for (const bool own : {false, true}) {
    how.own_heads = own;
    heads = train_medusa(rows, ids, how, [&](int step, std::vector<float> const& losses, MedusaWeights const& w) {
      CHECK(w.own.empty() != own);
      (step == 0 ? first : last)[own] = losses;
    });
  }
  CHECK(first[true] == first[false]);
  CHECK(last[true] != last[false]);
  for (std::size_t k = 0; k < 2; ++k) CHECK(last[true][k] < 0.9F * first[true][k]);
  const TemporaryFolder folder;
  heads.save(folder / "heads.safetensors");
  Reader<Loaded<Tied, B>, true> reader(model, 64);
  const std::vector<int> prompt(ids.begin(), ids.begin() + 5);
  const GenerateOptions greedy{.tokens = 55, .temperature = 0, .top_k = 0, .context = 64};
  MedusaHeads drafter(reader, MedusaWeights::from_file(folder / "heads.safetensors", Tied::width, Tied::vocab), 6);
  const auto got = speculate(reader, drafter, prompt, {.text = greedy, .draft = 2});
  CHECK(got.ids == test::plain(model, prompt, greedy));
  CHECK(got.counts.tokens_per_step() > 1.2);
}

TEST_CASE("medusa: a head that bends or adds is not copied") {
  struct Head {
    float bias, cap;
    void head(Matrix<const float> x, Matrix<float> y) const {
      for (int r = 0; r < x.rows(); ++r)
        for (int v = 0; v < Tied::vocab; ++v) {
          const float z = (1.0F + static_cast<float>(v)) * x(r, v) + bias;
          y(r, v) = cap > 0 ? cap * std::tanh(z / cap) : z;
        }
    }
  };
  Head matrix{0, 0}, adds{0.5F, 0}, bends{0, 30};
  const auto W = medusa_detail::head_of<Tied>(matrix, 3);
  for (int v = 0; v < Tied::vocab; ++v)
    for (int c = 0; c < Tied::width; ++c)
      CHECK(W[static_cast<std::size_t>(v * Tied::width + c)] == (c == v ? 1.0F + static_cast<float>(v) : 0.0F));
  CHECK_THROWS_WITH_AS(medusa_detail::head_of<Tied>(adds, 3), Contains("has a bias or a cap"), error);
  CHECK_THROWS_WITH_AS(medusa_detail::head_of<Tied>(bends, 3), Contains("has a bias or a cap"), error);
}

TEST_CASE("medusa: heads and model learn together, the heads first") {
  Trained<Tied, B> model(seed{3}, 1);
  std::vector<int> ids;  // after each token one of two, which the one before it decides
  for (int i = 0; i < 2000; ++i) ids.push_back(i < 2 ? i : (3 * ids[ids.size() - 1] + ids[ids.size() - 2] + 1) % 11);
  const auto values = [&] {
    Parameter const& p = model.parameter("transformer.wte.weight");
    const auto v = model.value(p);
    return std::vector<float>(v.data(), v.data() + v.size());
  };
  const auto untouched = values();
  MedusaLosses first, before, last;
  const auto heads = train_medusa2(model, ids, {.heads = 2, .steps = 250, .batch = 4, .context = 32, .lr = 1e-2},
                                   {.first = 50, .lr = 1e-2, .weight = 0.2},
                                   [&](int step, MedusaLosses const& l, MedusaWeights const& w) {
                                     CHECK((values() == untouched) == (step < 50));
                                     CHECK(w.heads == 2);
                                     if (step == 0) first = l;
                                     if (step == 49) before = l;
                                     last = l;
                                   });
  CHECK(before.heads[0] < first.heads[0]);
  CHECK(last.next < 0.5 * first.next);
  for (std::size_t k = 0; k < 2; ++k) CHECK(last.heads[k] < 0.7F * before.heads[k]);
  Loaded<Tied, B> loaded(model.weights(), 1);
  Reader<Loaded<Tied, B>, true> reader(loaded, 64);
  MedusaHeads drafter(reader, heads, 6);
  const std::vector<int> prompt(ids.begin(), ids.begin() + 5);
  const GenerateOptions greedy{.tokens = 55, .temperature = 0, .top_k = 0, .context = 64};
  const auto got = speculate(reader, drafter, prompt, {.text = greedy, .draft = 2});
  CHECK(got.ids == test::plain(loaded, prompt, greedy));
  CHECK(got.counts.tokens_per_step() > 1.5);
  CHECK_THROWS_WITH_AS(train_medusa2(model, ids, {}, {.first = -1}, [](int, auto&, auto&) {}),
                       Contains("-1 steps of heads alone"), error);
}

TEST_CASE("medusa: what cannot be trained on") {
  Rows<Untied> rows(test::lively<Untied, B>(1).weights(), 1);
  const auto none = [](int, std::vector<float> const&, MedusaWeights const&) {};
  CHECK_THROWS_WITH_AS(train_medusa(rows, std::vector<int>(20), {.heads = 2, .context = 32}, none),
                       Contains("a text of 20 tokens, expected more than 35"), error);
  CHECK_THROWS_WITH_AS(train_medusa(rows, std::vector<int>(99), {.heads = 0}, none), Contains("0 heads"), error);
}

}  // namespace test_medusa
